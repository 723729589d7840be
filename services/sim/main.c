/* quorate-sim: a network of whole nodes on virtual time. See README.md here. */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/sim/report.h"
#include "services/sim/shell_runs.h"

static void on_signal(int number) {
        run_is_interrupted = 1;
}

static void print(const struct sim_options *o, const struct figures *list, int n) {
        struct figures sum = {};

        for (int i = 0; i < n; i++) {
                if (o->json)
                        report_json(stdout, &o->settings, &list[i]);
                else if (n > 1)
                        report_line(stdout, &list[i]);
                report_add(&sum, &list[i]);
        }
        if (!o->json)
                report_text(stdout, &o->settings, n == 1 ? list : &sum);
}

/* As the other commands say it. No text here needs escaping but what argv brings. */
static int complain(const struct sim_options *o, int code, const char *text) {
        char shown[1100];

        text_escape(BYTES_STR(text), shown, sizeof(shown));
        fprintf(stderr, "quorate: sim: %s\n", shown);
        if (o->json)
                report_error(stdout, shown, code);
        return code;
}

int main(int argc, char **argv) {
        CLEANUP(freep) struct figures *figures = NULL;
        struct sim_options options;
        char error[256];
        int n;

        if (!options_read(argc, argv, &options, error))
                return complain(&options, 2, error);
        if (options.help) {
                options_help(stdout);
                return 0;
        }
        (void) signal(SIGINT, on_signal);
        figures = xnew_n(struct figures, options.seeds);
        n = run_all(&options, figures);
        if (n < 0) {
                (void) snprintf(error, sizeof(error),
                                "no process for a run: %s; free memory or give fewer --nodes",
                                strerror(-n));
                return complain(&options, 5, error);
        }
        if (n == 0 && run_is_interrupted)
                return complain(&options, 130,
                                "interrupted in the warm-up: nothing was measured yet; a shorter "
                                "--warmup or fewer --nodes come to it sooner");
        print(&options, figures, n);
        if (run_is_interrupted)
                return 130;
        if ((uint32_t) n < options.seeds) {
                (void) snprintf(
                        error, sizeof(error),
                        "%d of %u runs came to their end; free memory or give fewer --nodes", n,
                        options.seeds);
                fprintf(stderr, "quorate: sim: %s\n", error); /* the object is printed */
                return 5;
        }
        return 0;
}
