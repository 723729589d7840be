#pragma once

/* Verdicts that could not be told on the job's stream: its host has signed an answer
 * and hears what came of it within 60 s, on a stream of its own. The host's end of the
 * stream says that it has it. Journalled, so that a restart goes on; given up after a
 * minute of trying. Private to the requester, and pure. */

#include "services/coordinator/candidate.h"
#include "services/coordinator/role.h"

#define VERDICTS_MAX      1024 /* owed at once */
#define VERDICTS_PER_HOST 64
#define VERDICTS_STREAMS  16 /* under way at once */

struct signed_bytes;
struct verdicts;

struct verdicts *verdicts_new(struct core *core, uint64_t seed);
struct verdicts *verdicts_free(struct verdicts *v);
DEFINE_CLEANUP(struct verdicts *, verdicts_free);
const struct verdicts_counters *verdicts_count(const struct verdicts *v);

/* From now on it is this module's to deliver. Always true: over the budget it is counted
 * and forgotten. */
bool verdicts_owe(struct verdicts *v, const struct hash_value *job, const struct candidate *host,
                  const struct signed_bytes *verdict, nsec_t now);
/* JOURNAL_OWED and JOURNAL_OWED_DROP; 0, or 1 for what is not understood. */
int verdicts_restore(struct verdicts *v, enum journal_kind kind, struct bytes record, nsec_t now);

nsec_t verdicts_deadline(const struct verdicts *v);
void verdicts_expire(struct verdicts *v, nsec_t now);

/* True: the stream is one of these. */
bool verdicts_opened(struct verdicts *v, uint64_t stream, const struct stream_remote *remote,
                     uint32_t window, nsec_t now);
bool verdicts_data(struct verdicts *v, uint64_t stream, nsec_t now);
void verdicts_window(struct verdicts *v, uint64_t stream, uint32_t units);
void verdicts_finished(struct verdicts *v, uint64_t stream, nsec_t now);
void verdicts_closed(struct verdicts *v, uint64_t stream, nsec_t now);
