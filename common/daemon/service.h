#pragma once

/* The main() of every process of a node. In this order: options, signals blocked,
 * not dumpable, configuration, passed listeners, loop, sandbox, start, ready, loop.
 * SIGTERM and SIGINT drain, then stop; SIGHUP reloads. */

#include "common/base/nsec.h"
#include "common/daemon/config.h"
#include "common/daemon/loop.h"
#include "common/daemon/metrics.h"
#include "common/daemon/sandbox.h"

enum service_exit {
        SERVICE_EXIT_OK = 0,
        SERVICE_EXIT_FAULT = 1,
        SERVICE_EXIT_USAGE = 64,  /* sysexits.h */
        SERVICE_EXIT_LATER = 75,  /* refused now; what served before is started again */
        SERVICE_EXIT_CONFIG = 78, /* the supervisor does not restart on 64 and 78 */
};

struct service_context {
        const char *name;
        struct loop *loop;
        const void *config;      /* the service's struct; replaced before reload() */
        const char *runtime;     /* --runtime, or $RUNTIME_DIRECTORY's parent, or /run/quorate */
        const char *config_path; /* --config, $QUORATE_CONFIG or /etc/quorate, there or not */
        const char *state;       /* --state, or $STATE_DIRECTORY, or /var/lib/quorate/<name> */
        struct metrics *metrics;
        unsigned layers;        /* enum sandbox_layer in force; 0 during start() */
        void *state_of_service; /* what start() returned */
};

struct service {
        const char *name;
        const char *summary;           /* one line for --help */
        const struct config_key *keys; /* ends with {}; NULL: none */
        size_t config_size;
        /* Applied before start(), so that its threads have it too; with SANDBOX_NO_THREAD after it.
         * The state directory stays writable. */
        struct sandbox sandbox;
        nsec_t drain_time; /* 0: 5 s */

        /* --check-config, of a well-formed configuration: what start() would refuse of it, by the
         * same rules, without starting. Returns 0, or service_refuse()'s fault; what is wrong is
         * logged. NULL: there are no such rules. */
        int (*check_config)(const struct service_context *ctx);
        /* Opens sockets, builds the core. Returns 0 or a fault; what went wrong is logged by it. */
        int (*start)(struct service_context *ctx, void **ret);
        /* SIGHUP, with a well-formed new configuration in ctx->config; the old one is freed when
         * this returns. Check first, then change: return service_refuse() and have changed nothing,
         * and the old one stays, as after an error of file and line. A fault ends the service.
         * NULL: keys are read at start only. */
        int (*reload)(struct service_context *ctx, void *s);
        /* Refuse new work; call service_drained() when the rest is done. NULL: nothing to wait for.
         */
        void (*drain)(struct service_context *ctx, void *s);
        /* Save state, free everything; returns NULL. Also after a failed loop. */
        void *(*stop)(struct service_context *ctx, void *s);
};

int service_main(int argc, char **argv, const struct service *service);
void service_drained(struct service_context *ctx);
/* Drains and stops as on SIGTERM, but with SERVICE_EXIT_LATER, so that the supervisor starts
 * another process in our place. The line that says why was logged. Harmless twice. */
void service_restart(struct service_context *ctx);

/* In start() and reload(), after the line that says so was logged: only a person can mend
 * this (configuration, a damaged file), so starting again would not help. The exit code
 * becomes SERVICE_EXIT_CONFIG; a reload is undone. Returns a fault for the caller to return. */
int service_refuse(void);
/* In start(), the same for what may heal by itself: SERVICE_EXIT_LATER. */
int service_refuse_now(void);
