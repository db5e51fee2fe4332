SELECT registry_id::text, epoch, revision FROM prompt_registry
