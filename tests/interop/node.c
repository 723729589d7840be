/* test-node [CONFIG-ROW]...: one node (keyring and transport) until standard input ends.
 * Prints its runtime folder. */

#include <stdio.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/node.h"

int main(int argc, char **argv) {
        char *config = xstrdup("");
        struct test_node *n;
        char byte;

        for (int i = 1; i < argc; i++) {
                char *longer = xasprintf("%s%s\n", config, argv[i]);

                free(config);
                config = longer;
        }
        n = test_node_new(config);
        (void) printf("%s\n", n->folder);
        (void) fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                continue;
        test_node_free(n);
        free(config);
        return 0;
}
