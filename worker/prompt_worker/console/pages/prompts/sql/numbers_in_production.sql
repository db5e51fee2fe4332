-- Of each version in production, since it was made.
SELECT name, total_executions, success_rate_percentage::float8 / 100, avg_response_time_ms::float8, avg_cost_usd::float8
FROM v_template_performance
WHERE is_active AND ab_test_group IS NULL
