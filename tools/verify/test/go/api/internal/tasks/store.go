// Package tasks has the tasks in PostgreSQL, and their API.
package tasks

import (
	"context"
	"database/sql"
	"time"
)

// Task is a row of the table tasks.
type Task struct {
	ID        int32     `json:"id"`
	Title     string    `json:"title"`
	Status    string    `json:"status"`
	DueOn     *string   `json:"due_on"`
	CreatedAt time.Time `json:"created_at"`
}

// Changes are the fields of a request: nil where it does not have one.
type Changes struct {
	Title  *string `json:"title"`
	Status *string `json:"status"`
	DueOn  *string `json:"due_on"`
}

const columns = "id, title, status, due_on::text, created_at"

// Store runs the statements.
type Store struct{ db *sql.DB }

// NewStore returns a store on an open database.
func NewStore(db *sql.DB) *Store { return &Store{db} }

// Ready fails unless the table can be read.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "SELECT 1 FROM tasks LIMIT 1")
	return err
}

// List returns every task, in the order of the ids.
func (s *Store) List(ctx context.Context) ([]Task, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM tasks ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Task{}
	for rows.Next() {
		task, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, task)
	}
	return list, rows.Err()
}

// Create returns the new task.
func (s *Store) Create(ctx context.Context, c Changes) (Task, error) {
	const insert = "INSERT INTO tasks (title, status, due_on)" +
		" VALUES ($1, COALESCE($2, 'pending'), $3) RETURNING " + columns
	return scan(s.db.QueryRowContext(ctx, insert, c.Title, c.Status, c.DueOn))
}

// Update returns the task as it then is, or sql.ErrNoRows.
func (s *Store) Update(ctx context.Context, id int32, c Changes) (Task, error) {
	const update = "UPDATE tasks SET title = COALESCE($2, title), status = COALESCE($3, status)," +
		" due_on = COALESCE($4, due_on) WHERE id = $1 RETURNING " + columns
	return scan(s.db.QueryRowContext(ctx, update, id, c.Title, c.Status, c.DueOn))
}

// Delete returns sql.ErrNoRows if there is no such task.
func (s *Store) Delete(ctx context.Context, id int32) error {
	const remove = "DELETE FROM tasks WHERE id = $1 RETURNING id"
	return s.db.QueryRowContext(ctx, remove, id).Scan(&id)
}

func scan(row interface{ Scan(...any) error }) (Task, error) {
	var t Task
	err := row.Scan(&t.ID, &t.Title, &t.Status, &t.DueOn, &t.CreatedAt)
	return t, err
}
