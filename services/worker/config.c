#include "services/worker/config.h"

const struct config_key worker_config_keys[] = {
        CONFIG_INT(worker_config, slots, "slots", "2", 1, 64, "jobs that run at a time"),
        CONFIG_SIZE(worker_config, memory, "memory", "256M", 16 << 20, 1ull << 40,
                    "engine memory of one job; one that asks for more may have that of all slots"),
        CONFIG_DURATION(worker_config, cpu, "cpu", "60s", NSEC_PER_SEC, 86400 * NSEC_PER_SEC,
                        "processor time of one job"),
        CONFIG_DURATION(worker_config, wall, "wall", "300s", NSEC_PER_SEC, 86400 * NSEC_PER_SEC,
                        "time until one job is killed"),
        CONFIG_SIZE(worker_config, spool_job, "spool-job", "1G", 1 << 20, 1ull << 40,
                    "result of one job on disk"),
        CONFIG_SIZE(worker_config, spool, "spool", "4G", 1 << 20, 1ull << 42,
                    "results of all jobs on disk"),
        CONFIG_SIZE(worker_config, inputs, "inputs", "512M", 64 << 20, 1ull << 40,
                    "inputs up to 64M that are kept in memory between jobs"),
        CONFIG_STRING(worker_config, executor, "executor", "",
                      "path of quorate-executor; empty: beside this program, or where installed"),
        CONFIG_STRING(worker_config, duckdb, "duckdb", "",
                      "path of DuckDB's library; empty: where it is looked for; none: no DuckDB"),
        {},
};
