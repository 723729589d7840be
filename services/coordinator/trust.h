#pragma once

/* Own-trust: what this node itself saw of each host, from its own verdicts alone.
 *
 *   w = 0.5^(age / half-life) over the last `window` verdicts,
 *   n = sum w, s = sum w[correct], N = n + 3, p = (s + 1) / N,
 *   score = Wilson lower bound of p with N trials, z = 1.96.
 * Verdicts that are no fault and not `correct` do not count. A fault proof makes
 * the score 0 until the operator lifts it. Pure; times are wall clock. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/canonical/outcome.h"
#include "common/wire/peerid.h"
#include "services/coordinator/settings.h"

#define TRUST_HOSTS_MAX 4096 /* the one judged longest ago is forgotten first */

struct trust;

struct trust *trust_new(const struct trust_settings *settings, uint64_t seed);
struct trust *trust_free(struct trust *t);
DEFINE_CLEANUP(struct trust *, trust_free);

struct judgement {
        enum verdict verdict;
        bool is_proved; /* two commits that contradict one another */
        int64_t time_us;
        nsec_t elapsed; /* of the host's run */
};

/* The first `hardware` of a host within the hardware window is no fault but puts
 * it back on probation; each further one counts as incorrect. */
void trust_add(struct trust *t, const struct peer_id *peer, const struct judgement *j);
void trust_lift(struct trust *t, const struct peer_id *peer); /* forgets fault proofs */

double trust_score(const struct trust *t, const struct peer_id *peer, int64_t now_us);
/* Probation is over: enough own-checked correct jobs that were long enough. */
bool trust_is_known(const struct trust *t, const struct peer_id *peer);
bool trust_is_proved_liar(const struct trust *t, const struct peer_id *peer);

/* Hosts that trust_is_known(), judged last first; returns how many. */
size_t trust_history(const struct trust *t, struct peer_id *ret, size_t max);

/* The formula alone. */
double trust_wilson(double n, double s);
