#pragma once

/* Answers without a node: a private executor of this process, in the same sandbox
 * and with the same analysis as everywhere, checked like anybody's answer. The
 * frames it makes are those a node would send, so that result.c knows no difference.
 * Inside libquorate. */

#include "common/client/executor.h"
#include "common/client/result.h"

#define PRIVATE_REASON "no_daemon: no node is running here, so it is answered alone"

struct private_job;

/* Snapshots and admits the inputs, analyses, starts the run. Errors of the statement
 * come as the end of the result. QUORATE_OK, or QUORATE_E_*. */
int private_query(struct quorate *q, const struct quorate_question *question,
                  struct quorate_result *r);
/* Only the analysis, as the node's reply into *ret. */
int private_explain(struct quorate *q, const struct quorate_question *question,
                    struct unpacked *ret);
/* Puts at least one frame into r, or answers QUORATE_AGAIN at `deadline` or when woken. */
int private_step(struct quorate_result *r, nsec_t deadline);
/* Kills what runs; the next frame is the end. */
void private_cancel(struct quorate_result *r);
struct private_job *private_free(struct private_job *p); /* always NULL */
