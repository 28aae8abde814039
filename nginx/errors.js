// Counts the responses with a status of 4xx or 5xx, because nginx itself counts only requests and
// connections. nginx.conf calls this only for such responses.
// Written for njs, which knows less of JavaScript than Node does.

function count(r) {
  ngx.shared.errors.incr(r.variables.status, 1, 0);
  return '';
}

// For Prometheus.
function metrics(r) {
  const name = 'nginx_http_errors_total';
  const samples = ngx.shared.errors
    .items()
    .map((item) => name + '{status="' + item[0] + '"} ' + item[1] + '\n');
  r.headersOut['Content-Type'] = 'text/plain; version=0.0.4';
  r.return(200, '# TYPE ' + name + ' counter\n' + samples.join(''));
}

export default { count, metrics };
