/* quorate-sim: a network of whole nodes on virtual time. See README.md here. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "services/sim/churn.h"
#include "services/sim/measure.h"
#include "services/sim/node.h"
#include "services/sim/options.h"
#include "services/sim/report.h"

#define STEP NSEC_PER_SEC /* between looks at Ctrl-C */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number) {
        is_interrupted = 1;
}

static double cpu_seconds(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_SELF, &u);
        return (double) u.ru_utime.tv_sec + (double) u.ru_utime.tv_usec / 1e6;
}

static void progress(const struct network *net, nsec_t end) {
        if (!isatty(STDERR_FILENO))
                return;
        fprintf(stderr, "\r%5.1f %%  %5.2f h virtual, %u nodes, %.0f s of CPU ",
                100.0 * (double) net->now / (double) end, (double) net->now / 3.6e12, net->n_up,
                cpu_seconds());
}

static void run_until(struct network *net, nsec_t until, nsec_t end) {
        for (unsigned i = 0; net->now < until && !is_interrupted; i++) {
                network_run(net, nsec_min(net->now + STEP, until));
                if (i % 10 == 0)
                        progress(net, end);
        }
}

static void simulate(const struct sim_options *o, struct figures *ret) {
        const struct sim_settings *s = &o->settings;
        nsec_t end = NSEC_PER_SEC + s->warmup + s->measured;
        struct network net;

        network_init(&net, s);
        churn_begin(&net);
        run_until(&net, NSEC_PER_SEC + s->warmup, end);
        measure_begin(&net);
        run_until(&net, end, end);
        measure_end(&net, ret);
        ret->cpu_s = cpu_seconds();
        measure_free(&net);
        network_done(&net);
        if (isatty(STDERR_FILENO))
                fputs("\r\033[K", stderr);
}

int main(int argc, char **argv) {
        struct sim_options options;
        struct figures figures;
        char error[256];

        if (!options_read(argc, argv, &options, error)) {
                fprintf(stderr, "quorate sim: %s\n", error);
                return 2;
        }
        if (options.help) {
                options_help(stdout);
                return 0;
        }
        (void) signal(SIGINT, on_signal);
        simulate(&options, &figures);
        if (options.json)
                report_json(stdout, &options.settings, &figures);
        else
                report_text(stdout, &options.settings, &figures);
        return is_interrupted ? 130 : 0;
}
