#pragma once

/* The requester role: this node's own queries. What coordinator.c may call
 * beside the table of role.h; each as its namesake in coordinator.h says. */

#include "services/coordinator/hosts.h"
#include "services/coordinator/role.h"

/* entropy NULL: explain only. */
void requester_submit(void *role, uint64_t call, const Coordinator__SubmitRequest *request,
                      const struct entropy *entropy, nsec_t now);
bool requester_cancel(void *role, struct bytes job, nsec_t now);
bool requester_attach(void *role, uint64_t client, struct bytes job, uint64_t from_batch,
                      nsec_t now);
void requester_client_credit(void *role, uint64_t client, uint32_t units, nsec_t now);
void requester_client_closed(void *role, uint64_t client, nsec_t now);
void requester_spool(void *role, uint64_t spool, struct bytes data, nsec_t now); /* empty: failed */
void requester_candidates(void *role, const struct candidate *list, size_t n, nsec_t now);
void requester_discovery(void *role, bool is_there);
void requester_found(void *role, uint64_t id, const struct found *found, nsec_t now);
void requester_denied(void *role, nsec_t now);
size_t requester_history(const void *role, struct peer_id *ret, size_t max);
double requester_trust(const void *role, const struct peer_id *peer, nsec_t now, bool *ret_known);
void requester_cached(void *role, uint64_t id, struct bytes file, nsec_t now);
const struct answers_counters *requester_answers(const void *role);
void requester_rows(void *role, const struct hash_value *root, uint64_t rows);
const struct estimates_counters *requester_estimates(const void *role);
size_t requester_jobs(const void *role, struct buffer *ret, size_t max);
const struct verdicts_counters *requester_owed(const void *role);
