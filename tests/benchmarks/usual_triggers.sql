-- What most teams write: statistics counted by a trigger for each row, averages as running means.

DO $$
DECLARE
    counted regclass;
BEGIN
    FOR counted IN SELECT 'prompt_executions'::regclass UNION SELECT partition FROM table_partitions('prompt_executions') LOOP
        EXECUTE format('DROP TRIGGER trigger_update_template_statistics ON %s', counted);
        EXECUTE format('DROP TRIGGER trigger_update_ab_test_statistics ON %s', counted);
    END LOOP;
END $$;

CREATE FUNCTION usual_template_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE prompt_templates
    SET total_executions = total_executions + 1,
        success_count = success_count + CASE WHEN NEW.status = 'success' THEN 1 ELSE 0 END,
        failure_count = failure_count + CASE WHEN NEW.status = 'failure' THEN 1 ELSE 0 END,
        avg_response_time_ms = (coalesce(avg_response_time_ms, 0) * total_executions
            + coalesce(NEW.execution_time_ms, 0)) / (total_executions + 1),
        avg_token_count = (coalesce(avg_token_count, 0) * total_executions
            + coalesce(NEW.token_count, 0)) / (total_executions + 1),
        avg_cost_usd = (coalesce(avg_cost_usd, 0) * total_executions
            + coalesce(NEW.cost_usd, 0)) / (total_executions + 1),
        updated_at = now()
    WHERE id = NEW.template_id;
    RETURN NEW;
END $$;

CREATE FUNCTION usual_ab_test_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ab_test_experiments
    SET total_executions = total_executions + 1,
        control_executions = control_executions + CASE WHEN NEW.ab_test_group = 'control' THEN 1 ELSE 0 END,
        updated_at = now()
    WHERE template_name = NEW.template_name AND status = 'active' AND NEW.ab_test_group IS NOT NULL;
    RETURN NEW;
END $$;

CREATE TRIGGER trigger_update_template_statistics AFTER INSERT ON prompt_executions
    FOR EACH ROW EXECUTE FUNCTION usual_template_statistics();
CREATE TRIGGER trigger_update_ab_test_statistics AFTER INSERT ON prompt_executions
    FOR EACH ROW EXECUTE FUNCTION usual_ab_test_statistics();
