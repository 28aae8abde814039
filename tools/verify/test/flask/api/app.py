"""The API of the course, as its labs write it."""
import os

import psycopg2
import psycopg2.extras
from flask import Flask, jsonify, request

app = Flask(__name__)
statuses = ("pending", "in_progress", "completed")


def get_db_connection():
    return psycopg2.connect(
        host=os.environ["DB_HOST"],
        dbname=os.environ["POSTGRES_DB"],
        user=os.environ["POSTGRES_USER"],
        password=os.environ["POSTGRES_PASSWORD"],
        connect_timeout=2,
        cursor_factory=psycopg2.extras.RealDictCursor,
    )


def query(sql, values=()):
    """Runs one statement in a transaction of its own."""
    connection = get_db_connection()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        connection.close()


def as_json(task):
    return {**task, "created_at": task["created_at"].isoformat()}


@app.get("/")
def index():
    return jsonify(application="Task API", version="1.0")


@app.get("/healthz")
def healthz():
    try:
        query("SELECT 1 FROM tasks LIMIT 1")
    except psycopg2.Error:
        return jsonify(status="unhealthy"), 503
    return jsonify(status="healthy")


@app.get("/api/tasks")
def list_tasks():
    return jsonify(tasks=[as_json(task) for task in query("SELECT * FROM tasks ORDER BY id")])


@app.post("/api/tasks")
def create_task():
    data = request.get_json(silent=True)
    if not isinstance(data, dict) or not data.get("title"):
        return jsonify(error="Missing 'title' in request body"), 400
    status = data.get("status", "pending")
    if status not in statuses:
        return jsonify(error=f"'status' must be one of {', '.join(statuses)}"), 400
    sql = "INSERT INTO tasks (title, status) VALUES (%s, %s) RETURNING *"
    return jsonify(task=as_json(query(sql, (data["title"], status))[0])), 201


@app.put("/api/tasks/<int:task_id>")
def update_task(task_id):
    data = request.get_json(silent=True) or {}
    sql = """UPDATE tasks SET title = COALESCE(%s, title), status = COALESCE(%s, status)
             WHERE id = %s RETURNING *"""
    rows = query(sql, (data.get("title"), data.get("status"), task_id))
    return jsonify(task=as_json(rows[0])) if rows else not_found(None)


@app.delete("/api/tasks/<int:task_id>")
def delete_task(task_id):
    rows = query("DELETE FROM tasks WHERE id = %s RETURNING id", (task_id,))
    return jsonify(message=f"Task {task_id} deleted") if rows else not_found(None)


@app.errorhandler(404)
def not_found(_error):
    return jsonify(error="Not found"), 404


@app.errorhandler(psycopg2.OperationalError)
def unavailable(_error):
    return jsonify(error="Database connection failed"), 503


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8080)
