/* What the inputs of one job may take in all: told by the manifest, before the store makes room.
 * The store and the fetch are real; provider and loop are played by hand. */

#include "services/coordinator/shell_data.h"

#include "common/canonical/outcome.h"
#include "services/coordinator/shell_data_parts.h"
#include "tests/unit/coordinator/data/support.h"

/* ---- The loop ---- */

struct loop_source {
        loop_fn fn;
        void *userdata;
        bool is_due;
};

nsec_t loop_now(const struct loop *l) {
        return NSEC_PER_SEC;
}

static int add_source(loop_fn fn, void *userdata, struct loop_source **ret) {
        *ret = xnew(struct loop_source);
        **ret = (struct loop_source){ .fn = fn, .userdata = userdata };
        return 0;
}

int loop_add_timer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        return add_source(fn, userdata, ret);
}

int loop_timer_set(struct loop_source *s, nsec_t when) {
        return 0;
}

int loop_add_defer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        return add_source(fn, userdata, ret);
}

int loop_defer(struct loop_source *s) {
        s->is_due = true;
        return 0;
}

struct loop_source *loop_source_free(struct loop_source *s) {
        free(s);
        return NULL;
}

static void turn(struct shell_data *d) {
        while (d->tell->is_due || d->check->is_due) {
                struct loop_source *s = d->tell->is_due ? d->tell : d->check;

                s->is_due = false;
                assert_int_equal(s->fn(s->userdata), 0);
        }
}

/* ---- One provider, who has all of `from` ---- */

static struct store *from;
static unsigned answers_left; /* then he is asked, and says nothing */

void supply_open(struct getting *g, const struct fetch_action *a) {
        fetch_opened(store_fetch_core(g->fetch), a->provider, NSEC_PER_SEC);
}

/* One answer, without the prefix of its frame. */
static void answer(struct getting *g, unsigned provider, struct bytes request) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct reader r;

        buffer_init(&b, DATA_ANSWER_MAX);
        assert_int_equal(serve_request(&store_serve_source, from, NULL, request, &b), SERVE_OK);
        r = reader_of(buffer_bytes(&b));
        fetch_frame(store_fetch_core(g->fetch), provider, reader_prefixed(&r), NSEC_PER_SEC);
}

void supply_send(struct getting *g, const struct fetch_action *a) {
        CLEANUP(freep) uint8_t *copy = xmemdup(a->data.data, a->data.len);
        struct reader r = reader_of(BYTES(copy, a->data.len));

        while (answers_left > 0 && reader_left(&r) > 0 && answers_left--)
                answer(g, a->provider, reader_prefixed(&r));
}

void supply_close(struct supply *s) {
}

void servings_init(struct servings *s, struct loop *loop, struct store *store,
                   const struct serving_config *config) {
}

void servings_done(struct servings *s) {
}

void servings_accept(struct servings *s, struct channel *c, bool is_far) {
}

/* ---- What became of inputs, by their number ---- */

#define READY 1000

static unsigned ended[8]; /* 0: not yet; READY; or the code of its failure */

static void on_ready(void *userdata, uint64_t fetch, const struct input_facts *facts) {
        ended[fetch] = READY;
}

static void on_failed(void *userdata, uint64_t fetch, const struct input_failure *failure) {
        ended[fetch] = failure->code;
}

static const struct shell_data_handler handler = { .ready = on_ready, .failed = on_failed };

/* ---- A node: old data fill most of its cache ---- */

#define OLD 4

struct node {
        struct store *store;
        struct shell_data *data;
        struct hash_value old[OLD], one, two, big; /* 1, 2 and 12 MiB that the provider has */
};

static void node_init(struct node *n) {
        char other[80];

        memset(ended, 0, sizeof(ended));
        answers_left = 1000;
        snprintf(other, sizeof(other), "%s/other", dir);
        assert_int_equal(store_open(dir, 13 * MIB, &n->store), STORE_OK);
        assert_int_equal(store_open(other, 100 * MIB, &from), STORE_OK);
        for (uint8_t i = 0; i < OLD; i++) {
                n->old[i] = put(n->store, i, 2 * MIB);
                store_unpin(n->store, &n->old[i]);
        }
        n->one = put(from, 'a', MIB);
        n->two = put(from, 'b', 2 * MIB);
        n->big = put(from, 'c', 12 * MIB);
        n->data = shell_data_new(NULL, n->store, &shell_data_defaults, &handler, NULL);
        assert_non_null(n->data);
}

static void node_done(struct node *n) {
        shell_data_free(n->data);
        store_free(n->store);
        store_free(from);
}

/* job: 0 for the node's own user. */
static void ask(struct node *n, uint64_t id, const struct hash_value *root, uint64_t job,
                uint64_t claimed) {
        static const struct peer_id provider = { .len = 1, .bytes = { 7 } };

        shell_data_input(n->data, &(struct data_request){ .id = id,
                                                          .root = *root,
                                                          .claim = { job, claimed },
                                                          .providers = &provider,
                                                          .n_providers = 1 });
}

/* ---- Tests ---- */

static const struct {
        const char *name;
        uint64_t job, claimed;
        unsigned ended;
        size_t evicted;
} claims[] = {
        { "nothing is claimed", 5, 0, OUTCOME_LIMIT, 0 },
        { "a byte less than there is", 5, 12 * MIB - 1, OUTCOME_LIMIT, 0 },
        { "what there is", 5, 12 * MIB, READY, OLD },
        { "our own user's", 0, 0, READY, OLD },
};

static void test_refused_before_there_is_room(void **state) {
        FOREACH_CASE (c, claims) {
                struct node n;

                assert_int_equal(setup(state), 0);
                node_init(&n);
                ask(&n, 1, &n.big, c->job, c->claimed);
                turn(n.data);
                assert_int_equal(ended[1], c->ended);
                assert_int_equal(store_evicted(n.store), c->evicted);
                assert_int_equal(store_count(n.store), OLD - c->evicted + (c->ended == READY));
                shell_data_cancel(n.data, 1);
                node_done(&n);
                assert_int_equal(teardown(state), 0);
        }
}

static const struct {
        const char *name;
        uint64_t claimed;
        bool is_here; /* the third, of 2 MiB */
        unsigned ended;
} several[] = {
        { "all that there is", 5 * MIB, true, READY },
        { "one counts twice, as in the offer", 4 * MIB, false, READY },
        { "a byte less", 4 * MIB - 1, false, OUTCOME_LIMIT },
        { "what is here counts", 5 * MIB - 1, true, OUTCOME_LIMIT },
};

/* One, one again, two, and what is here: it is never refused. */
static void test_all_of_a_job_together(void **state) {
        FOREACH_CASE (c, several) {
                struct node n;
                unsigned worst = READY;

                assert_int_equal(setup(state), 0);
                node_init(&n);
                ask(&n, 1, &n.old[0], 6, 0); /* of another job */
                if (c->is_here)
                        ask(&n, 2, &n.old[1], 5, c->claimed);
                ask(&n, 3, &n.one, 5, c->claimed);
                ask(&n, 4, &n.two, 5, c->claimed);
                if (!c->is_here)
                        ask(&n, 5, &n.one, 5, c->claimed);
                turn(n.data);
                assert_int_equal(ended[1], READY);
                assert_int_equal(ended[2], c->is_here ? READY : 0);
                for (unsigned i = 3; i <= (c->is_here ? 4u : 5u); i++) {
                        assert_int_not_equal(ended[i], 0);
                        worst = ended[i] == READY ? worst : ended[i];
                }
                assert_int_equal(worst, c->ended);
                for (unsigned i = 1; i <= 5; i++)
                        shell_data_cancel(n.data, i);
                node_done(&n);
                assert_int_equal(teardown(state), 0);
        }
}

/* Who may not have it leaves; it goes on for the other, whoever came first. */
static void test_one_fetch_for_two(void **state) {
        for (unsigned own = 1; own <= 2; own++) {
                struct node n;

                assert_int_equal(setup(state), 0);
                node_init(&n);
                ask(&n, 1, &n.two, own == 1 ? 0 : 5, MIB);
                ask(&n, 2, &n.two, own == 2 ? 0 : 5, MIB);
                turn(n.data);
                assert_int_equal(ended[own], READY);
                assert_int_equal(ended[3 - own], OUTCOME_LIMIT);
                for (unsigned i = 1; i <= 2; i++)
                        shell_data_cancel(n.data, i);
                node_done(&n);
                assert_int_equal(teardown(state), 0);
        }
}

static size_t fetches(const struct node *n) {
        struct shell_data_stats stats;

        shell_data_stats(n->data, &stats);
        return stats.fetches;
}

/* Where the length is known nobody is asked for anything: of one that is under way, and of what it
 * leaves. */
static void test_known_before(void **state) {
        struct node n;

        node_init(&n);
        answers_left = 3; /* manifest, leaves, one chunk */
        ask(&n, 1, &n.two, 0, 0);
        turn(n.data);
        assert_int_equal(answers_left, 0);
        ask(&n, 2, &n.two, 5, 2 * MIB - 1);
        turn(n.data);
        assert_int_equal(ended[2], OUTCOME_LIMIT);
        assert_int_equal(ended[1], 0);
        assert_int_equal(fetches(&n), 1);
        shell_data_cancel(n.data, 1); /* the other does not wait for it any more */
        assert_int_equal(fetches(&n), 0);
        shell_data_cancel(n.data, 2);
        assert_int_equal(store_count(n.store), OLD + 1);

        answers_left = 1000;
        ask(&n, 3, &n.two, 6, 2 * MIB - 1);
        turn(n.data);
        assert_int_equal(ended[3], OUTCOME_LIMIT);
        assert_int_equal(fetches(&n), 0);
        assert_int_equal(answers_left, 1000);
        assert_int_equal(store_count(n.store), OLD + 1);
        ask(&n, 4, &n.two, 7, 2 * MIB);
        turn(n.data);
        assert_int_equal(ended[4], READY);
        assert_int_equal(answers_left, 999); /* the chunk that was not there */
        shell_data_cancel(n.data, 3);
        shell_data_cancel(n.data, 4);
        node_done(&n);
}

TEST_MAIN(cmocka_unit_test(test_refused_before_there_is_room),
          cmocka_unit_test(test_all_of_a_job_together), cmocka_unit_test(test_one_fetch_for_two),
          cmocka_unit_test_setup_teardown(test_known_before, setup, teardown))
