#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "services/coordinator/shell_dataset.h"

#define HEAL_FIRST   (5 * NSEC_PER_SEC) /* after the start; twice as late after each round */
#define HEAL_SLOWEST (300 * NSEC_PER_SEC)
#define HEAL_AT_ONCE 4

#define FETCH_ID     (UINT64_C(1) << 63) /* the core counts its ids from 0 */

/* ---- All of them ---- */

struct dataset_work *dataset_work_on(struct shell *s, const struct hash_value *root) {
        LIST_FOREACH (link, &s->datasets->works) {
                struct dataset_work *w = LIST_ENTRY(link, struct dataset_work, link);

                if (w->state == WORK_RUNNING && hash_equal(&w->root, root))
                        return w;
        }
        return NULL;
}

static struct dataset_work *find(struct shell *s, uint64_t id) {
        LIST_FOREACH (link, &s->datasets->works) {
                struct dataset_work *w = LIST_ENTRY(link, struct dataset_work, link);

                if (w->id == id)
                        return w;
        }
        return NULL;
}

/* Room for one more: of those that have ended the oldest is forgotten. */
static void forget_one(struct datasets *d) {
        size_t n = 0;

        LIST_FOREACH (link, &d->works)
                n++;
        LIST_FOREACH_SAFE (link, &d->works) {
                struct dataset_work *w = LIST_ENTRY(link, struct dataset_work, link);

                if (n < DATASET_WORKS_MAX || w->state == WORK_RUNNING)
                        continue;
                list_remove(&w->link);
                free(w);
                n--;
        }
}

static bool is_full(const struct datasets *d, char why[DATASET_WHY_SIZE]) {
        if (d->n_active < DATASET_ACTIVE_MAX)
                return false;
        (void) snprintf(why, DATASET_WHY_SIZE,
                        "%d fetches and verifications are under way; try again when one has ended",
                        DATASET_ACTIVE_MAX);
        return true;
}

static struct dataset_work *begin(struct shell *s, enum work_kind kind,
                                  const struct hash_value *root, char why[DATASET_WHY_SIZE]) {
        struct datasets *d = s->datasets;
        struct dataset_work *w;

        if (is_full(d, why))
                return NULL;
        forget_one(d);
        w = xnew(struct dataset_work);
        w->id = ++d->next_work;
        w->kind = kind;
        w->root = *root;
        w->began = shell_now(s);
        list_push_back(&d->works, &w->link);
        d->n_active++;
        return w;
}

static void end(struct shell *s, struct dataset_work *w, enum work_state state) {
        if (w->state != WORK_RUNNING)
                return;
        w->state = state;
        w->ended = shell_now(s);
        s->datasets->n_active--;
}

/* ---- Fetching ---- */

/* Why it cannot be fetched now: 0, nothing is in the way. */
static int refuse_fetch(struct shell *s, const struct hash_value *root,
                        char why[DATASET_WHY_SIZE]) {
        const struct dataset_work *w = dataset_work_on(s, root);

        if (w && w->kind == WORK_FETCH)
                return 0;
        if (!w)
                return is_full(s->datasets, why) ? DATASET_E_BUSY : 0;
        (void) snprintf(why, DATASET_WHY_SIZE,
                        "it is being verified; fetch it when that has ended");
        return DATASET_E_BUSY;
}

/* The same root again is the same work. */
int dataset_fetch(struct shell *s, const struct hash_value *root, const struct peer_id *from,
                  size_t n_from, struct dataset_work **ret, char why[DATASET_WHY_SIZE]) {
        struct data_request request = {
                .root = *root, .providers = from, .n_providers = n_from, .search = n_from == 0
        };
        struct dataset_work *w = dataset_work_on(s, root);
        int r = refuse_fetch(s, root, why);

        *ret = w;
        if (r || w)
                return r;
        *ret = w = begin(s, WORK_FETCH, root, why);
        if (!w)
                return DATASET_E_BUSY;
        request.id = FETCH_ID | w->id;
        shell_data_input(s->data, &request);
        return 0;
}

int dataset_fetch_to_pin(struct shell *s, const struct hash_value *root, const struct peer_id *from,
                         size_t n_from, struct dataset_work **ret, char why[DATASET_WHY_SIZE]) {
        int r = refuse_fetch(s, root, why);

        if (!r)
                r = dataset_pin(s, root, NULL, why);
        return r ? r : dataset_fetch(s, root, from, n_from, ret, why);
}

static struct dataset_work *fetch_of(struct shell *s, uint64_t fetch) {
        struct dataset_work *w = fetch & FETCH_ID ? find(s, fetch & ~FETCH_ID) : NULL;

        return w && w->kind == WORK_FETCH && w->state == WORK_RUNNING ? w : NULL;
}

bool shell_dataset_ready(struct shell *s, uint64_t fetch, const struct input_facts *facts) {
        struct dataset_work *w = fetch_of(s, fetch);
        char why[DATASET_WHY_SIZE];
        struct store_keep keep;

        if (!w)
                return fetch & FETCH_ID;
        w->fetched = facts->fetched;
        w->progress.all = w->progress.chunks =
                facts->length / DATA_CHUNK_SIZE + (facts->length % DATA_CHUNK_SIZE != 0);
        end(s, w, WORK_DONE);
        /* Wanted to stay before it was here: now it is known whether others may know. */
        if (store_keep_of(s->store, &w->root, &keep) && keep.flags & STORE_KEEP_PINNED &&
            dataset_pin(s, &w->root, NULL, why))
                log_warning("a dataset that was fetched cannot be pinned: %s", why);
        shell_data_cancel(s->data, fetch);
        return true;
}

bool shell_dataset_failed(struct shell *s, uint64_t fetch, const struct input_failure *failure) {
        struct dataset_work *w = fetch_of(s, fetch);
        char detail[640];

        if (!w)
                return fetch & FETCH_ID;
        if (failure->code == OUTCOME_LIMIT)
                (void) snprintf(detail, sizeof(detail), "which=data");
        else
                input_failure_detail(failure, &w->root, detail, sizeof(detail));
        (void) outcome_detail_text(failure->code, BYTES_STR(detail), w->problem,
                                   sizeof(w->problem));
        end(s, w, WORK_FAILED);
        shell_data_cancel(s->data, fetch);
        return true;
}

void shell_dataset_ended(void *userdata, const struct hash_value *root,
                         const struct fetch_report *reports, size_t n) {
        struct shell *s = userdata;
        struct dataset_work *w = dataset_work_on(s, root);

        if (!w || w->kind != WORK_FETCH)
                return;
        memcpy(w->progress.reports, reports, n * sizeof(*reports));
        w->progress.n_reports = n;
}

/* ---- Verifying ---- */

static void say_bad(struct dataset_work *w) {
        (void) snprintf(w->problem, sizeof(w->problem),
                        "%" PRIu64 " of %" PRIu64 " chunks are wrong, the first is number %" PRIu64
                        "; %s",
                        w->count.bad, w->count.all, w->count.first_bad,
                        w->is_demoted ? "the dataset is no longer used: `quorate dataset fetch` "
                                        "brings these chunks anew"
                                      : "a job uses it: verify again when that has ended");
}

static void end_verify(struct shell *s, struct dataset_work *w, int fault) {
        store_verify_count(w->verify, &w->count);
        w->verify = store_verify_free(w->verify);
        if (fault || w->count.bad > 0)
                w->is_demoted = store_demote(s->store, &w->root) == STORE_OK;
        if (fault)
                (void) snprintf(w->problem, sizeof(w->problem),
                                "its manifest is damaged; fetch or publish it again");
        else if (w->count.bad > 0)
                say_bad(w);
        if (w->is_demoted)
                dataset_announce_look(s, &w->root);
        end(s, w, *w->problem ? WORK_FAILED : WORK_DONE);
}

/* One step of each a turn: rows, cancels and other jobs come between. */
static int on_verify(void *userdata) {
        struct shell *s = userdata;
        bool is_more = false;

        LIST_FOREACH_SAFE (link, &s->datasets->works) {
                struct dataset_work *w = LIST_ENTRY(link, struct dataset_work, link);
                int r = w->verify ? store_verify_step(w->verify) : 0;

                if (r == STORE_VERIFY_MORE)
                        is_more = true;
                else if (w->verify)
                        end_verify(s, w, r);
        }
        return is_more ? loop_defer(s->datasets->verifying) : 0;
}

static int prepare_verify(struct shell *s, char why[DATASET_WHY_SIZE]) {
        int r = 0;

        if (!s->datasets->verifying)
                r = loop_add_defer(s->loop, on_verify, s, &s->datasets->verifying);
        if (!r)
                return is_full(s->datasets, why) ? DATASET_E_BUSY : 0;
        log_error_reason(r, "cannot begin to verify a dataset");
        (void) snprintf(why, DATASET_WHY_SIZE, "the node is out of means; look at its log");
        return DATASET_E_REFUSED;
}

int dataset_verify(struct shell *s, const struct hash_value *root, struct dataset_work **ret,
                   char why[DATASET_WHY_SIZE]) {
        struct dataset_work *w = dataset_work_on(s, root);
        struct store_verify *v = NULL;
        int r;

        *ret = w;
        if (w && w->kind == WORK_VERIFY)
                return 0;
        r = prepare_verify(s, why);
        if (r)
                return r;
        r = store_verify_begin(s->store, root, &v);
        if (r) {
                (void) snprintf(why, DATASET_WHY_SIZE, "%s",
                                r == STORE_E_NONE ? "it is not here, or not whole; `quorate "
                                                    "dataset fetch` brings it"
                                                  : "it cannot be read; fetch or publish it again");
                return r == STORE_E_NONE ? DATASET_E_NONE : DATASET_E_REFUSED;
        }
        *ret = w = begin(s, WORK_VERIFY, root, why);
        if (!w) {
                store_verify_free(v);
                return DATASET_E_BUSY;
        }
        w->verify = v;
        (void) loop_defer(s->datasets->verifying);
        return 0;
}

/* ---- What a crash, or a bad disk, has left of what is pinned ---- */

struct wounded {
        struct shell *shell;
        struct hash_value roots[HEAL_AT_ONCE]; /* in their order behind the last one tried */
        size_t n;
};

static bool is_behind(const struct wounded *w, const struct hash_value *root) {
        return memcmp(root->bytes, w->shell->datasets->healed.bytes, HASH_SIZE) > 0;
}

static bool goes_before(const struct wounded *w, const struct hash_value *a,
                        const struct hash_value *b) {
        bool x = is_behind(w, a), y = is_behind(w, b);

        return x != y ? x : memcmp(a->bytes, b->bytes, HASH_SIZE) < 0;
}

/* By root, round and round: those that nobody has do not stand in the way of the others. */
static bool find_wounded(void *userdata, const struct store_item *item) {
        struct wounded *w = userdata;
        size_t at = w->n;

        if (!(item->keep.flags & STORE_KEEP_PINNED) || item->is_complete ||
            dataset_work_on(w->shell, &item->root))
                return true;
        while (at > 0 && goes_before(w, &item->root, &w->roots[at - 1]))
                at--;
        if (at == HEAL_AT_ONCE)
                return true;
        w->n += w->n < HEAL_AT_ONCE;
        memmove(w->roots + at + 1, w->roots + at, (w->n - at - 1) * sizeof(*w->roots));
        w->roots[at] = item->root;
        return true;
}

/* True: all have been tried since the last time. */
static bool heal(struct shell *s) {
        struct wounded wounded = { .shell = s };
        char why[DATASET_WHY_SIZE];
        struct dataset_work *w;
        bool is_round = true;

        store_each(s->store, find_wounded, &wounded);
        for (size_t i = 0; i < wounded.n; i++) {
                /* Too much is under way: it is the first one next time. */
                if (dataset_fetch(s, &wounded.roots[i], NULL, 0, &w, why))
                        break;
                is_round = wounded.n < HEAL_AT_ONCE || !is_behind(&wounded, &wounded.roots[i]);
                s->datasets->healed = wounded.roots[i];
        }
        return is_round;
}

/* The pause grows with every round, not with every few of one. */
void dataset_heal_tick(struct shell *s) {
        struct datasets *d = s->datasets;

        if (d->heal_pause == 0)
                d->heal_at = nsec_add(shell_now(s), d->heal_pause = HEAL_FIRST);
        if (!d->has_records || shell_now(s) < d->heal_at)
                return;
        if (heal(s))
                d->heal_pause = nsec_min(2 * d->heal_pause, HEAL_SLOWEST);
        d->heal_at = nsec_add(shell_now(s), d->heal_pause);
}

/* ---- For those who ask ---- */

struct dataset_work *dataset_work_of(struct shell *s, uint64_t id) {
        struct dataset_work *w = find(s, id);
        struct data_progress now;

        if (!w || w->state != WORK_RUNNING)
                return w;
        /* A fetch that has ended, and of which that is told next, has left its last word. */
        if (w->verify)
                store_verify_count(w->verify, &w->count);
        else if (shell_data_progress(s->data, &w->root, &now))
                w->progress = now;
        return w;
}

void dataset_work_cancel(struct shell *s, struct dataset_work *w) {
        (void) snprintf(w->problem, sizeof(w->problem), "it was removed meanwhile");
        w->verify = store_verify_free(w->verify);
        end(s, w, WORK_FAILED);
        if (w->kind == WORK_FETCH)
                shell_data_cancel(s->data, FETCH_ID | w->id);
}
