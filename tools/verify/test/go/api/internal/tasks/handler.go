package tasks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/lib/pq"
)

type handler struct{ store *Store }

// NewHandler returns the routes of the API.
func NewHandler(store *Store) http.Handler {
	h := handler{store}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.index)
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /api/tasks", h.list)
	mux.HandleFunc("POST /api/tasks", h.create)
	mux.HandleFunc("PUT /api/tasks/{id}", h.update)
	mux.HandleFunc("DELETE /api/tasks/{id}", h.remove)
	return http.MaxBytesHandler(mux, 1<<20)
}

func (h handler) index(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"name": "tasks", "list": "/api/tasks"})
}

func (h handler) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 1500*time.Millisecond)
	defer cancel()
	if err := h.store.Ready(ctx); err != nil {
		slog.Warn("not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]any{"status": "down"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"status": "UP"})
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	list, err := h.store.List(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"count": len(list), "tasks": list})
}

func (h handler) create(w http.ResponseWriter, r *http.Request) {
	changes, err := changesIn(r)
	if err == nil && changes.Title == nil {
		err = badRequest("title is missing")
	}
	if err != nil {
		fail(w, err)
		return
	}
	task, err := h.store.Create(r.Context(), changes)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"task": task})
}

func (h handler) update(w http.ResponseWriter, r *http.Request) {
	id, err := idIn(r)
	if err != nil {
		fail(w, err)
		return
	}
	changes, err := changesIn(r)
	if err != nil {
		fail(w, err)
		return
	}
	task, err := h.store.Update(r.Context(), id, changes)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"task": task})
}

func (h handler) remove(w http.ResponseWriter, r *http.Request) {
	id, err := idIn(r)
	if err == nil {
		err = h.store.Delete(r.Context(), id)
	}
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"deleted": id})
}

type badRequest string

func (b badRequest) Error() string { return string(b) }

func idIn(r *http.Request) (int32, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, badRequest("the id is not a number")
	}
	return int32(id), nil
}

func changesIn(r *http.Request) (Changes, error) {
	var c Changes
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		return c, badRequest("the body is not JSON: " + err.Error())
	}
	return c, nil
}

// fail answers with the status that fits the error.
func fail(w http.ResponseWriter, err error) {
	var bad badRequest
	var refused *pq.Error
	switch {
	case errors.As(err, &bad):
		answer(w, http.StatusBadRequest, map[string]any{"error": bad.Error()})
	case errors.Is(err, sql.ErrNoRows):
		answer(w, http.StatusNotFound, map[string]any{"error": "no such task"})
	case errors.As(err, &refused) && (refused.Code.Class() == "22" || refused.Code.Class() == "23"):
		answer(w, http.StatusBadRequest, map[string]any{"error": refused.Message})
	default:
		slog.Error("request failed", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]any{"error": "try again later"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Warn("answer not sent", "error", err)
	}
}
