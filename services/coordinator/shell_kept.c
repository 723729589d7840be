/* Answers that were verified: the folder of them behind the core's actions. */

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/coordinator/kept.h"
#include "services/coordinator/shell_actions.h"

void shell_do_answer_find(struct shell *s, struct action *a) {
        CLEANUP(refbuf_unrefp) struct refbuf *file = s->kept ? kept_find(s->kept, &a->hash) : NULL;

        coordinator_cached(s->core, a->id, file ? refbuf_bytes(file) : BYTES_NONE, shell_now(s));
}

void shell_do_answer_keep(struct shell *s, struct action *a) {
        if (!s->kept || (a->n == ANSWER_ONLY_ANEW && !kept_has(s->kept, &a->hash)))
                return;
        if (kept_put(s->kept, &a->hash, refbuf_bytes(a->data)) == KEPT_E_DISK)
                log_warning("an answer cannot be kept: make room on the disk of %s", s->ctx->state);
}

void shell_do_answer_drop(struct shell *s, struct action *a) {
        if (s->kept)
                kept_drop(s->kept, &a->hash);
}

/* ": answers/…", below the state directory; "": of none. */
const char *shell_kept_name(const struct hash_value *key, char *ret, size_t size) {
        static const struct hash_value none;
        char name[KEPT_NAME_SIZE];

        ret[0] = 0;
        if (!hash_equal(key, &none))
                (void) snprintf(ret, size, ": answers/%s, which is removed", kept_name(key, name));
        return ret;
}

int shell_kept_start(struct shell *s) {
        const struct kept_limits limits = { .bytes = s->config->answers_size,
                                            .entry = s->config->answers_entry,
                                            .entries = (uint32_t) s->config->answers_max };
        CLEANUP(freep) char *path = xasprintf("%s/answers", s->ctx->state);
        int r = kept_open(path, &limits, &s->kept);

        if (r) /* a node does all else without */
                log_warning("cannot use %s (%s): no answers are kept; mend it and start again",
                            path, strerror(-r));
        return 0;
}

void shell_kept_stop(struct shell *s) {
        s->kept = kept_free(s->kept);
}
