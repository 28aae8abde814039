wrk.method = "POST"
wrk.body = '{"title":"A task of the benchmark"}'
wrk.headers["Content-Type"] = "application/json"
