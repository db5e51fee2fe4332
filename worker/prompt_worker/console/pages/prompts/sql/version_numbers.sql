-- Of each version of a prompt, since it was made.
SELECT version, total_executions, failure_count, success_rate_percentage::float8 / 100, avg_response_time_ms::float8,
       avg_token_count::float8, avg_cost_usd::float8
FROM v_template_performance
WHERE name = %(name)s
