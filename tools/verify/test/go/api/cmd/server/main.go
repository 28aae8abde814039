// Command server is the API of the task list.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/lib/pq"

	"tasks/internal/tasks"
)

func main() {
	healthcheck := flag.Bool("healthcheck", false, "ask the running server whether it is healthy")
	flag.Parse()
	run := serve
	if *healthcheck {
		run = ask
	}
	if err := run(os.Getenv("ADDR")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask is the health check of the container.
func ask(addr string) error {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get("http://127.0.0.1" + addr + "/healthz")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz: %s", answer.Status)
	}
	return nil
}

func serve(addr string) error {
	source, err := dataSource()
	if err != nil {
		return err
	}
	db, err := sql.Open("postgres", source)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(10)
	db.SetConnMaxLifetime(5 * time.Minute)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{
		Addr:              addr,
		Handler:           tasks.NewHandler(tasks.NewStore(db)),
		ReadHeaderTimeout: 5 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("listening", "addr", addr)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(draining)
}

// dataSource is the address of the database, with the login from its files.
func dataSource() (string, error) {
	user, err := secret("DB_USER_FILE")
	if err != nil {
		return "", err
	}
	password, err := secret("DB_PASSWORD_FILE")
	if err != nil {
		return "", err
	}
	source := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     os.Getenv("DB_HOST"),
		Path:     os.Getenv("DB_NAME"),
		RawQuery: "sslmode=disable&connect_timeout=2",
	}
	return source.String(), nil
}

// secret returns the content of the file that the variable names.
func secret(name string) (string, error) {
	content, err := os.ReadFile(os.Getenv(name))
	return strings.TrimSpace(string(content)), err
}
