#include "services/dht/lookup.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/dht/teller.h"

struct lookup *lookup_new(const struct lookup_config *config, const struct key *target,
                          const struct key *self) {
        struct lookup *l = xnew(struct lookup);

        l->config = *config;
        if (l->config.paths < 1)
                l->config.paths = 1;
        if (l->config.paths > LOOKUP_PATHS_MAX)
                l->config.paths = LOOKUP_PATHS_MAX;
        if (l->config.parallel < l->config.paths)
                l->config.parallel = l->config.paths;
        l->target = *target;
        l->self = *self;
        return l;
}

static void free_candidate(struct candidate *c) {
        contact_done(&c->contact);
        free(c);
}

struct lookup *lookup_free(struct lookup *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n_candidates; i++)
                free_candidate(l->candidates[i]);
        free(l);
        return NULL;
}

/* ---- Candidates ---- */

/* Where the key is, or belongs. */
static size_t position(const struct lookup *l, const struct key *key) {
        size_t low = 0, high = l->n_candidates;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (key_compare(&l->target, &l->candidates[middle]->contact.key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct candidate *lookup_find(const struct lookup *l, const struct key *who) {
        size_t at = position(l, who);

        return at < l->n_candidates && key_equal(&l->candidates[at]->contact.key, who)
                       ? l->candidates[at]
                       : NULL;
}

static void take_out(struct lookup *l, size_t i) {
        free_candidate(l->candidates[i]);
        l->n_candidates--;
        memmove(&l->candidates[i], &l->candidates[i + 1],
                (l->n_candidates - i) * sizeof(*l->candidates));
}

static size_t farthest_in(const struct lookup *l, enum candidate_state state) {
        size_t i = l->n_candidates;

        while (i > 0 && l->candidates[i - 1]->state != state)
                i--;
        return i; /* its place + 1; 0: none */
}

/* Where more stand within the radius than are taken (in_window()), the nearest of those between its
 * two ends that was not asked yet: its place + 1; 0: none. Ids planted around the key, however
 * many, crowd out each other, and not what lies behind them. */
static size_t middle_one(const struct lookup *l) {
        size_t n_region = 0;

        while (n_region < l->n_candidates && l->candidates[n_region]->distance < l->config.radius)
                n_region++;
        if (n_region <= LOOKUP_REGION_MAX)
                return 0;
        for (size_t i = l->config.k; i < n_region - (LOOKUP_REGION_MAX - l->config.k); i++)
                if (l->candidates[i]->state == CANDIDATE_NEW)
                        return i + 1;
        return 0;
}

/* Those not believed give way first, then who stands in the middle, then the farthest that was not
 * asked yet. */
static bool make_room(struct lookup *l, const struct key *key) {
        size_t i = farthest_in(l, CANDIDATE_DROPPED);

        if (l->n_candidates < LOOKUP_CANDIDATES_MAX)
                return true;
        if (i == 0)
                i = middle_one(l);
        if (i == 0) {
                i = farthest_in(l, CANDIDATE_NEW);
                if (i == 0 || key_compare(&l->target, key, &l->candidates[i - 1]->contact.key) > 0)
                        return false;
        }
        take_out(l, i - 1);
        return true;
}

static struct candidate *add(struct lookup *l, const struct contact *contact,
                             struct candidate *teller, unsigned path) {
        struct candidate *c;
        size_t at;

        if (key_equal(&contact->key, &l->self) || !make_room(l, &contact->key))
                return NULL;
        at = position(l, &contact->key);
        c = xnew(struct candidate);
        c->contact = contact_ref(contact);
        c->distance = key_distance(&l->target, &contact->key);
        c->teller = teller;
        c->root = teller && teller->root ? teller->root : teller;
        c->hops = teller ? (uint8_t) (teller->hops + (teller->hops < UINT8_MAX)) : 1;
        c->seen_by = (uint8_t) (1u << path);
        memmove(&l->candidates[at + 1], &l->candidates[at],
                (l->n_candidates - at) * sizeof(*l->candidates));
        l->candidates[at] = c;
        l->n_candidates++;
        return c;
}

/* Told again, by somebody else: no longer one teller's word alone. */
static void hear(struct lookup *l, const struct contact *contact, struct candidate *teller) {
        struct candidate *c = lookup_find(l, &contact->key);

        if (!c) {
                c = add(l, contact, teller, teller->path);
                if (c)
                        teller_note(c, teller);
                return;
        }
        teller_note(c, teller);
        c->seen_by |= (uint8_t) (1u << teller->path);
        if (!c->teller || c->teller == teller)
                return;
        if (c->state == CANDIDATE_ASKED) { /* the first one is still judged by it */
                return;
        }
        c->teller = NULL;
        if (c->state == CANDIDATE_DROPPED)
                c->state = CANDIDATE_NEW;
}

void lookup_seed(struct lookup *l, const struct contact *c) {
        if (!lookup_find(l, &c->key))
                (void) add(l, c, NULL, l->n_seeds++ % l->config.paths);
}

void lookup_seed_again(struct lookup *l, const struct contact *c) {
        struct candidate *known = lookup_find(l, &c->key);

        if (!known) {
                lookup_seed(l, c);
        } else if (known->state == CANDIDATE_FAILED) {
                known->state = CANDIDATE_NEW;
                known->is_excused = known->is_wide = false;
        }
}

void lookup_begin_at(struct lookup *l, const struct contact *c) {
        struct candidate *known;

        lookup_seed(l, c);
        known = lookup_find(l, &c->key);
        if (known)
                known->is_beginning = true;
}

/* ---- Whom to ask ---- */

/* What one path still has to hear of. */
struct window {
        size_t n_region; /* of those it saw that are not out */
        size_t rank;
};

static bool is_out(const struct lookup *l, const struct candidate *c) {
        return c->state == CANDIDATE_FAILED || c->state == CANDIDATE_DROPPED ||
               teller_is_conspired(l, c);
}

/* Past LOOKUP_REGION_MAX the nearest and the farthest within the radius are taken:
 * who plants ids around a key has them in the middle. */
static bool in_window(const struct lookup *l, struct window *w) {
        size_t rank = w->rank++, outer = LOOKUP_REGION_MAX - l->config.k;

        if (rank < l->config.k)
                return true;
        return rank < w->n_region &&
               (w->n_region <= LOOKUP_REGION_MAX || rank >= w->n_region - outer);
}

static struct window window_of(const struct lookup *l, unsigned path) {
        struct window w = {};

        for (size_t i = 0; i < l->n_candidates; i++) {
                const struct candidate *c = l->candidates[i];

                if (l->config.radius <= 0 || c->distance >= l->config.radius)
                        break;
                w.n_region += (c->seen_by & 1u << path) && !is_out(l, c);
        }
        return w;
}

/* The nearest of its window that nobody asked yet. *ret_waits: some are not settled. */
static struct candidate *next_of(const struct lookup *l, unsigned path, bool *ret_waits) {
        struct window w = window_of(l, path);

        *ret_waits = false;
        for (size_t i = 0; i < l->n_candidates; i++) {
                struct candidate *c = l->candidates[i];

                if (!(c->seen_by & 1u << path) || is_out(l, c) ||
                    (!in_window(l, &w) && !c->is_beginning))
                        continue;
                if (c->state == CANDIDATE_ANSWERED)
                        continue;
                *ret_waits = true;
                if (c->state == CANDIDATE_NEW && !teller_is_held_back(l, c->teller))
                        return c;
        }
        return NULL;
}

static unsigned share_of(const struct lookup *l, unsigned path) {
        return l->config.parallel / l->config.paths + (path < l->config.parallel % l->config.paths);
}

static void ask(struct lookup *l, struct candidate *c, unsigned path, struct lookup_ask *ret) {
        if (c->teller)
                c->teller->n_doubted++;
        c->state = CANDIDATE_ASKED;
        c->path = (uint8_t) path;
        l->in_flight[path]++;
        l->n_asked++;
        *ret = (struct lookup_ask){ c->contact, l->target, LOOKUP_MAIN };
}

static bool next_main(struct lookup *l, struct lookup_ask *ret) {
        for (unsigned path = 0; path < l->config.paths; path++) {
                struct candidate *c;
                bool waits;

                if (l->in_flight[path] >= share_of(l, path))
                        continue;
                c = next_of(l, path, &waits);
                if (!c)
                        continue;
                ask(l, c, path, ret);
                return true;
        }
        return false;
}

/* With too few answers even the word of somebody not believed is tried, a few times. */
static struct candidate *last_resort(const struct lookup *l) {
        if (l->n_answered >= l->config.k || l->n_revived >= l->config.k)
                return NULL;
        for (size_t i = 0; i < l->n_candidates; i++)
                if (l->candidates[i]->state == CANDIDATE_DROPPED ||
                    teller_is_conspired(l, l->candidates[i]))
                        return l->candidates[i];
        return NULL;
}

static bool is_settled(const struct lookup *l) {
        if (last_resort(l))
                return false;
        for (unsigned path = 0; path < l->config.paths; path++) {
                bool waits;

                (void) next_of(l, path, &waits);
                if (waits)
                        return false;
        }
        return true;
}

/* ---- Beyond the windows ---- */

static bool is_sparse(const struct lookup *l) {
        unsigned n = 0;

        for (size_t i = 0; i < l->n_candidates && l->candidates[i]->distance < l->config.sparse;
             i++)
                n += l->candidates[i]->state == CANDIDATE_ANSWERED;
        return l->config.sparse > 0 && n < l->config.k;
}

static struct candidate *root_of(struct candidate *c) {
        return c->root ? c->root : c;
}

/* How often its seed had its turn: who plants many names under one gets no more than others. */
static unsigned turn_of(struct candidate *c) {
        return root_of(c)->n_wide / LOOKUP_WIDE_TURN;
}

/* However dense they stand, while that says nothing yet: the others may all be friends. */
static bool is_owed(struct candidate *c) {
        return root_of(c)->is_beginning && root_of(c)->n_wide < LOOKUP_BEGINNING_TOLD;
}

/* Who goes by friends only has the nearest of them in every window. What else is known was not
 * asked: the nearest of that, each seed's share in turn. */
static struct candidate *next_beyond(const struct lookup *l) {
        struct candidate *best = NULL;
        bool sparse = is_sparse(l);

        if (l->n_wide >= LOOKUP_WIDE_MAX)
                return NULL;
        for (size_t i = 0; i < l->n_candidates; i++) {
                struct candidate *c = l->candidates[i];

                if (c->state == CANDIDATE_NEW && (sparse || is_owed(c)) &&
                    !teller_is_conspired(l, c) && !teller_is_held_back(l, c->teller) &&
                    (!best || turn_of(c) < turn_of(best)))
                        best = c;
        }
        return best;
}

static bool next_wide(struct lookup *l, struct lookup_ask *ret) {
        struct candidate *c;

        if (l->wide_in_flight >= LOOKUP_WIDE_AT_ONCE || !is_settled(l))
                return false;
        c = next_beyond(l);
        if (!c)
                return false;
        root_of(c)->n_wide++;
        c->is_wide = true;
        l->n_wide++;
        l->wide_in_flight++;
        ask(l, c, (unsigned) __builtin_ctz(c->seen_by), ret);
        return true;
}

/* ---- The edges of the neighbourhood ---- */

/* Honest ids are hardly ever twice as dense as expected: Gamma(20) < 10 in 0.4 %. */
static bool is_crowded(const struct lookup *l) {
        unsigned n = 0;

        for (size_t i = 0; i < l->n_candidates && l->candidates[i]->distance < l->config.radius / 2;
             i++)
                n += l->candidates[i]->state == CANDIDATE_ANSWERED;
        return n >= l->config.k;
}

/* One key in each subtree that the way to the target passes by, from just outside the
 * radius inwards. */
static void begin_edges(struct lookup *l) {
        double depth = -log2(l->config.radius);
        unsigned first = depth >= 1 ? (unsigned) depth - 1 : 0;

        for (unsigned i = 0; i < LOOKUP_EDGES; i++) {
                uint8_t text[KEY_SIZE + 1];
                struct key random;

                memcpy(text, l->target.bytes, KEY_SIZE);
                text[KEY_SIZE] = (uint8_t) i;
                random = key_of(BYTES_OF(text));
                l->edges[i] = key_in_bucket(&l->target, first + i, random.bytes);
        }
        l->is_edging = true;
}

/* The closest to that edge that answered and stands at least so far from the target, of those that
 * were not asked for it yet; NULL when `most` of them were. */
static struct candidate *next_at_edge(const struct lookup *l, unsigned edge, double from,
                                      unsigned most) {
        struct candidate *nearest[LOOKUP_EDGE_ASKS] = {};

        for (size_t i = 0; i < l->n_candidates; i++) {
                struct candidate *c = l->candidates[i];
                const struct key *key = &c->contact.key;

                if (c->state != CANDIDATE_ANSWERED || c->distance < from)
                        continue;
                for (unsigned j = 0; j < most && c; j++)
                        if (!nearest[j] ||
                            key_compare(&l->edges[edge], key, &nearest[j]->contact.key) < 0) {
                                struct candidate *pushed = nearest[j];

                                nearest[j] = c;
                                c = pushed;
                                key = c ? &c->contact.key : NULL;
                        }
        }
        for (unsigned j = 0; j < most; j++)
                if (nearest[j] && !(nearest[j]->edges & 1u << edge))
                        return nearest[j];
        return NULL;
}

/* Planted ids stand nearest to the edges as well, and name each other: two of those outside of the
 * crowd (is_crowded()) are asked, too. */
static struct candidate *next_for_edge(const struct lookup *l, unsigned edge) {
        struct candidate *c = next_at_edge(l, edge, l->config.radius / 2, 2);

        return c ? c : next_at_edge(l, edge, 0, LOOKUP_EDGE_ASKS);
}

static bool next_edge(struct lookup *l, struct lookup_ask *ret) {
        for (unsigned edge = 0; edge < LOOKUP_EDGES && l->is_edging; edge++) {
                struct candidate *c = NULL;

                if (l->edges_in_flight < l->config.parallel &&
                    l->n_edge_asks < LOOKUP_EDGE_ASKS_MAX)
                        c = next_for_edge(l, edge);
                if (!c)
                        continue;
                c->edges |= (uint8_t) (1u << edge);
                l->edges_in_flight++;
                l->n_edge_asks++;
                l->n_asked++;
                *ret = (struct lookup_ask){ c->contact, l->edges[edge], (int) edge };
                return true;
        }
        return false;
}

static bool is_idle(const struct lookup *l) {
        for (unsigned path = 0; path < l->config.paths; path++)
                if (l->in_flight[path] > 0)
                        return false;
        return l->edges_in_flight == 0;
}

bool lookup_next(struct lookup *l, struct lookup_ask *ret) {
        struct candidate *last;

        if (next_main(l, ret))
                return true;
        last = is_idle(l) ? last_resort(l) : NULL;
        if (last) {
                last->state = CANDIDATE_NEW;
                last->teller = NULL;
                last->is_revived = true;
                l->n_revived++;
                return next_main(l, ret);
        }
        if (next_wide(l, ret))
                return true;
        if (l->config.radius > 0 && !l->is_edging && is_settled(l) && is_crowded(l))
                begin_edges(l);
        return next_edge(l, ret);
}

/* ---- What came ---- */

static struct candidate *settle(struct lookup *l, const struct key *who, int edge) {
        struct candidate *c = lookup_find(l, who);

        if (!c)
                return NULL;
        if (edge != LOOKUP_MAIN) {
                l->edges_in_flight -= l->edges_in_flight > 0;
                return c;
        }
        if (c->state != CANDIDATE_ASKED)
                return NULL;
        check(l->in_flight[c->path] > 0);
        l->in_flight[c->path]--;
        l->wide_in_flight -= c->is_wide;
        return c;
}

static void note_overflow(struct lookup *l) {
        size_t n = 0;

        while (n < l->n_candidates && l->candidates[n]->distance < l->config.radius)
                n++;
        l->has_overflow |= n > LOOKUP_REGION_MAX;
}

struct candidate *lookup_answered(struct lookup *l, const struct key *who, int edge,
                                  const struct contact *told, size_t n_told) {
        struct candidate *c = settle(l, who, edge);

        if (!c)
                return NULL;
        if (edge == LOOKUP_MAIN) {
                c->state = CANDIDATE_ANSWERED;
                c->number = (uint8_t) l->n_tellers;
                l->tellers[l->n_tellers++] = c;
                l->n_answered++;
                teller_judge(l, c, true);
        }
        for (size_t i = 0; i < n_told && i < l->config.k; i++)
                hear(l, &told[i], c);
        if (l->config.radius > 0)
                note_overflow(l);
        return c;
}

void lookup_failed(struct lookup *l, const struct key *who, int edge) {
        struct candidate *c = settle(l, who, edge);

        if (!c || edge != LOOKUP_MAIN)
                return;
        c->state = CANDIDATE_FAILED;
        l->n_failed++;
        teller_judge(l, c, false);
}

void lookup_skip(struct lookup *l, const struct key *who, int edge) {
        struct candidate *c = settle(l, who, edge), *teller = c ? c->teller : NULL;

        if (!c || edge != LOOKUP_MAIN)
                return;
        c->state = CANDIDATE_FAILED;
        c->is_excused = true;
        l->n_asked--;
        if (teller)
                teller->n_doubted -= teller->n_doubted > 0;
}

void lookup_remove(struct lookup *l, const struct key *who) {
        struct candidate *c = lookup_find(l, who);

        if (c && c->state == CANDIDATE_ASKED)
                lookup_failed(l, who, LOOKUP_MAIN);
        else if (c)
                c->state = CANDIDATE_FAILED;
        if (c)
                c->is_excused = true;
}

bool lookup_is_over(const struct lookup *l) {
        if (!is_settled(l) || l->edges_in_flight > 0 || l->wide_in_flight > 0)
                return false;
        if (next_beyond(l))
                return false;
        if (l->config.radius > 0 && !l->is_edging && is_crowded(l))
                return false;
        for (unsigned edge = 0; l->is_edging && edge < LOOKUP_EDGES; edge++)
                if (l->n_edge_asks < LOOKUP_EDGE_ASKS_MAX && next_for_edge(l, edge))
                        return false;
        return true;
}

size_t lookup_result(const struct lookup *l, struct candidate **ret, size_t max) {
        struct window w = {};
        size_t n = 0;

        for (size_t i = 0; i < l->n_candidates; i++)
                w.n_region += l->candidates[i]->state == CANDIDATE_ANSWERED &&
                              l->candidates[i]->distance < l->config.radius;
        for (size_t i = 0; i < l->n_candidates && n < max; i++)
                if (l->candidates[i]->state == CANDIDATE_ANSWERED && in_window(l, &w))
                        ret[n++] = l->candidates[i];
        return n;
}
