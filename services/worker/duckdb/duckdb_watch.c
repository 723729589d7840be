/* While DuckDB computes it asks nobody anything, and there is no second thread to stop it:
 * a timer asks whether the job is over, and has the engine stop itself at its next step. */

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "common/base/error.h"
#include "services/worker/duckdb/duckdb_session.h"

#define WATCH_EVERY_US 10000

static struct engine_session *volatile watched;

/* duckdb_interrupt() stores a flag; is_over() promises to be fit for this. */
static void on_alarm(int signal) {
        struct engine_session *s = watched;
        int before = errno;

        if (s && s->job->is_over && s->job->is_over(s->job->userdata)) {
                s->is_stopped = true;
                duckdb.interrupt(s->connection);
        }
        errno = before;
}

int duckdb_watch_prepare(void) {
        struct sigaction a = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

        return sigaction(SIGALRM, &a, NULL) < 0 ? error_origin(-errno) : 0;
}

static void set_timer(suseconds_t us) {
        struct itimerval t = { .it_interval.tv_usec = us, .it_value.tv_usec = us };

        (void) setitimer(ITIMER_REAL, &t, NULL);
}

void duckdb_watch_begin(struct engine_session *s) {
        watched = s;
        set_timer(WATCH_EVERY_US);
}

void duckdb_watch_end(void) {
        watched = NULL;
        set_timer(0);
}
