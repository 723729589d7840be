#include "services/ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void progress_init(struct progress *p, bool quiet) {
        struct winsize size = {};

        *p = (struct progress){ .on = !quiet && isatty(STDERR_FILENO), .width = 80 };
        if (p->on && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
                p->width = size.ws_col;
}

static void count_stages(const struct quorate_progress *what, char ret[128]) {
        size_t at = 0;

        ret[0] = 0;
        for (size_t i = 0; i < what->n_hosts; i++) {
                unsigned n = 0;
                bool seen = false;

                for (size_t j = 0; j < what->n_hosts; j++) {
                        bool same = strcmp(what->hosts[j].stage, what->hosts[i].stage) == 0;

                        n += same;
                        seen = seen || (same && j < i);
                }
                if (!seen && at < 100)
                        at += (size_t) snprintf(ret + at, 128 - at, "%s%u %.20s", at ? ", " : "", n,
                                                what->hosts[i].stage);
        }
}

void progress_line(struct progress *p, const char *text) {
        if (!p->on)
                return;
        fprintf(stderr, "\r\033[K%.*s", (int) p->width - 1, text);
        fflush(stderr);
        p->is_shown = true;
}

void progress_show(struct progress *p, const struct quorate_progress *what) {
        char hosts[128], line[512];

        if (!p->on)
                return;
        count_stages(what, hosts);
        snprintf(line, sizeof(line), "%.20s%s%s%s  %" PRIu64 " rows  %.1f MiB  %.1f s%s%.200s",
                 what->stage, *hosts ? " (" : "", hosts, *hosts ? ")" : "", what->rows,
                 (double) what->bytes / (1 << 20), (double) what->elapsed_us / 1e6,
                 *what->note ? "  " : "", what->note);
        progress_line(p, line);
}

void progress_clear(struct progress *p) {
        if (!p->is_shown)
                return;
        fputs("\r\033[K", stderr);
        fflush(stderr);
        p->is_shown = false;
}
