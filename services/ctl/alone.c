#include "services/ctl/alone.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "services/ctl/capture.h"
#include "services/ctl/node.h"

#define VARIABLE "QUORATE_WORKER_DUCKDB"

/* "duckdb = VALUE" of what the worker prints. */
static void take_line(struct bytes line) {
        static const char key[] = "duckdb = ";
        const size_t n = sizeof(key) - 1;

        if (line.len > n && memcmp(line.data, key, n) == 0) {
                CLEANUP(freep) char *value = strndup((const char *) line.data + n, line.len - n);

                (void) setenv(VARIABLE, value, 1);
        }
}

bool alone_configure(const struct command_context *ctx, char error[512]) {
        CLEANUP(capture_donep) struct capture said = {};
        char worker[PATH_MAX];
        struct node node;
        const char *const argv[] = { worker, "--check-config", "--config", node.config, NULL };
        struct bytes text, line;

        if (getenv(VARIABLE) || node_find(&ctx->common, &node) != NODE_OK ||
            access(node.config, F_OK) < 0 || !node_binary("worker", worker))
                return true;
        if (capture_run(argv, false, &said) < 0)
                return true;
        if (said.status != 0) {
                (void) capture_complaint(&said, error);
                return false;
        }
        text = buffer_bytes(&said.out);
        while (capture_line(&text, &line))
                take_line(line);
        return true;
}
