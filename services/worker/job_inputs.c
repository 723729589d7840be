/* The files of a job's inputs: opened for its executor, and looked at again when it ended. */

#include <fcntl.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "services/worker/job.h"

static void fail_changed(struct job *j, const Worker__Source *s) {
        log_error("input %s was written to after it was checked, or may be: no job uses it. "
                  "Remove the dataset, and it is fetched anew",
                  s->path);
        job_fail(j, OUTCOME_DATA_UNAVAILABLE, "what=input", s->name);
}

static bool wants_file(const struct job *j, const Worker__Source *s) {
        return s->path[0] && (j->job->mode != WORKER__JOB__MODE__ANALYSE || s->schema.len == 0);
}

static void watch(struct job *j, size_t input, size_t n) {
        if (j->begin.input_lengths[n] <= INPUT_SMALL_MAX)
                return;
        j->watched[j->n_watched].input = input;
        j->watched[j->n_watched++].fd = fcntl(j->begin.input_fds[n], F_DUPFD_CLOEXEC, 0);
}

bool job_inputs_open(struct job *j) {
        struct worker *w = j->worker;

        for (size_t i = 0; i < j->job->n_inputs; i++) {
                Worker__Source *s = j->job->inputs[i];
                struct bytes root = BYTES(s->root.data, s->root.len);
                size_t n = j->begin.n_inputs;
                int r;

                s->has_file = wants_file(j, s);
                s->admitted = inputs_is_admitted(&w->inputs, root);
                if (!s->has_file)
                        continue;
                r = n < EXECUTOR_INPUTS_MAX ? inputs_open(&w->inputs, s->path, root, s->length,
                                                          &j->begin.input_fds[n])
                                            : INPUTS_E_NONE;
                if (r == INPUTS_E_CHANGED) {
                        fail_changed(j, s);
                        return false;
                }
                if (r) {
                        job_fail(j, OUTCOME_DATA_UNAVAILABLE, "what=input", s->name);
                        return false;
                }
                j->begin.input_lengths[n] = s->length;
                j->begin.n_inputs++;
                watch(j, i, n);
        }
        return true;
}

void job_inputs_given(struct job *j) {
        for (size_t i = 0; i < j->begin.n_inputs; i++)
                fd_closep(&j->begin.input_fds[i]);
        j->begin.n_inputs = 0;
}

bool job_inputs_hold(struct job *j) {
        for (size_t i = 0; i < j->n_watched; i++) {
                const Worker__Source *s = j->job->inputs[j->watched[i].input];

                if (inputs_is_unchanged(&j->worker->inputs, BYTES(s->root.data, s->root.len),
                                        j->watched[i].fd))
                        continue;
                fail_changed(j, s);
                return false;
        }
        return true;
}
