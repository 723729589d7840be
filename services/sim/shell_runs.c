#include "services/sim/shell_runs.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/io.h"
#include "services/sim/attack.h"
#include "services/sim/churn.h"
#include "services/sim/node.h"

#define STEP NSEC_PER_SEC /* between looks at Ctrl-C */

volatile sig_atomic_t run_is_interrupted;

static double cpu_seconds(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_SELF, &u);
        return (double) u.ru_utime.tv_sec + (double) u.ru_utime.tv_usec / 1e6;
}

static uint64_t peak_bytes(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_SELF, &u);
        return (uint64_t) u.ru_maxrss * 1024;
}

/* At the end: the peak is that of a thousand nodes that all come at once. */
static uint64_t bytes_in_use(void) {
        struct mallinfo2 m = mallinfo2();

        return m.uordblks + m.hblkhd;
}

/* ---- One ---- */

static void progress(const struct network *net, nsec_t end) {
        if (!isatty(STDERR_FILENO))
                return;
        fprintf(stderr, "\r%5.1f %%  %5.2f h virtual, %u nodes, %.0f s of CPU ",
                100.0 * (double) net->now / (double) end, (double) net->now / 3.6e12, net->n_up,
                cpu_seconds());
}

static void run_until(struct network *net, nsec_t until, nsec_t end) {
        for (unsigned i = 0; net->now < until && !run_is_interrupted; i++) {
                network_run(net, nsec_min(net->now + STEP, until));
                if (i % 10 == 0)
                        progress(net, end);
        }
}

static nsec_t warm_end(const struct sim_settings *s) {
        return NSEC_PER_SEC + s->warmup;
}

/* A network that is warm becomes figures. */
static void run_measured(struct network *net, struct figures *ret) {
        nsec_t end = warm_end(&net->settings) + net->settings.measured;

        measure_begin(net);
        attack_strike(net);
        run_until(net, end, end);
        measure_end(net, ret);
        attack_figures(net, ret);
        ret->cpu_s = cpu_seconds();
        ret->peak = peak_bytes();
        ret->in_use = bytes_in_use();
}

/* ---- Several ---- */

/* The child's network is a copy of the warm one, with another seed for what comes. */
static void child(struct network *net, uint64_t seed, int fd) {
        struct figures figures;

        network_reseed(net, seed);
        run_measured(net, &figures);
        _exit(io_write(fd, BYTES(&figures, sizeof(figures))) < 0);
}

static int run_fork(struct network *net, uint64_t seed, struct figures *ret) {
        int fds[2], status = 0, r;
        pid_t pid;

        if (pipe(fds) < 0)
                return error_origin(-errno);
        (void) fflush(NULL);
        pid = fork();
        if (pid == 0) {
                (void) close(fds[0]);
                child(net, seed, fds[1]);
        }
        (void) close(fds[1]);
        r = pid < 0 ? error_origin(-errno) : error_fold(io_read(fds[0], ret, sizeof(*ret)));
        (void) close(fds[0]);
        if (pid > 0)
                (void) waitpid(pid, &status, 0);
        return r;
}

static int run_seeds(struct network *net, const struct sim_options *o, struct figures *ret) {
        int n = 0, r = 0;

        for (uint32_t i = 0; i < o->seeds && !run_is_interrupted; i++) {
                r = run_fork(net, o->settings.seed + i, &ret[n]);
                if (r < 0)
                        break;
                n += ret[n].hours > 0; /* else interrupted as it began */
        }
        return n > 0 ? n : r;
}

static int run_one(struct network *net, struct figures *ret) {
        run_measured(net, ret);
        return ret->hours > 0;
}

int run_all(const struct sim_options *o, struct figures *ret) {
        struct network net;
        int n;

        network_init(&net, &o->settings);
        attack_begin(&net);
        churn_begin(&net);
        run_until(&net, warm_end(&o->settings), warm_end(&o->settings) + o->settings.measured);
        if (run_is_interrupted)
                n = 0;
        else if (o->seeds > 1)
                n = run_seeds(&net, o, ret);
        else
                n = run_one(&net, ret);
        measure_free(&net);
        network_done(&net);
        attack_free(&net); /* its behaviour is its nodes' till then */
        if (isatty(STDERR_FILENO))
                fputs("\r\033[K", stderr);
        return n;
}
