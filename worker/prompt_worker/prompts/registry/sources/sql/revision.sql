SELECT registry_id, epoch, revision FROM prompt_registry
