/* quorate-executor: started by worker or by the quorate command, never by hand.
 * No loop, no ZeroMQ, no keys, no files of its own. See README.md. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/daemon/sandbox.h"
#include "quorate-config.h"
#include "services/worker/confine.h"
#include "services/worker/engine.h"
#include "services/worker/zygote.h"

enum { EXIT_USAGE = 64 };

static const char usage[] = "usage: quorate-executor --zygote ENGINE[:LIBRARY]\n"
                            "Started by quorate-worker with its socket as descriptor 3.\n";

/* A build with sanitizers lets system calls through that no release may allow:
 * it runs only where the tests say that they know. */
static bool may_run(void) {
        const char *allowed = getenv("QUORATE_SANITIZED_EXECUTOR");

        return !QUORATE_SANITIZED || (allowed && strcmp(allowed, "tests-only") == 0);
}

int main(int argc, char **argv) {
        static const int keep[] = { 0, 1, 2, CONFINE_JOB_FD };
        const struct engine *engine;
        const char *library = NULL;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                (void) puts("quorate-executor " QUORATE_VERSION);
                return EXIT_SUCCESS;
        }
        engine = argc == 3 && strcmp(argv[1], "--zygote") == 0 ? engine_by_name(argv[2], &library)
                                                               : NULL;
        if (!engine) {
                (void) fputs(usage, stderr);
                return EXIT_USAGE;
        }
        if (!may_run()) {
                (void) fputs("quorate-executor: built with sanitizers; only tests may start it\n",
                             stderr);
                return EXIT_USAGE;
        }
        if (sandbox_close_others(keep, ELEMENTSOF(keep)) < 0)
                return EXIT_FAILURE;
        return zygote_serve(engine, library, CONFINE_JOB_FD);
}
