#pragma once

/* One statement on one perturbed executor: what an honest host might be. */

#include "common/canonical/answer.h"
#include "services/worker/engine.h"

#define PERTURBATIONS_MAX 8

struct runs;

/* `seed`: of the rows. */
struct runs *runs_new(uint64_t seed);
struct runs *runs_free(struct runs *r);
size_t runs_n(const struct runs *r);
const char *runs_name(const struct runs *r, size_t i);

/* The analysis on empty tables, as a requester makes it. ENGINE_OK, or the statement is wrong. */
int runs_analyse(struct runs *r, const char *sql, struct engine_analysis *ret);

/* Runs it on perturbation i. True: *ret is an answer, of rows or of an error of the closed table;
 * false: none, for want of memory or time. */
bool runs_answer(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                 struct answer *ret);
