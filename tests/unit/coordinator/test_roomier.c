/* A run that was out of memory: who gets the job then. */

#include "tests/unit/coordinator/world.h"

static unsigned peer_number(const struct world *w, const struct peer_id *peer) {
        unsigned i = 0;

        while (!peer_id_equal(&w->list[i].peer, peer))
                i++;
        return i;
}

/* Every host bids; what each has is twice what the one before it has. */
static uint64_t memory_of(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_list; i++)
                if (peer_id_equal(&w->list[i].peer, peer))
                        return UINT64_C(1) << (20 + i);
        return 0;
}

static void bid_memory(struct world *w, size_t i, uint64_t memory) {
        world_bid_as(w, i, WORLD_ENGINE, memory);
}

static void bid_rest(struct world *w, size_t from, bool is_equal) {
        world_wait(w, 10 * NSEC_PER_MSEC);
        for (size_t i = from; i < w->n_asked; i++)
                if (!w->asked[i].is_reset)
                        bid_memory(w, i, is_equal ? 1u << 20 : memory_of(w, &w->asked[i].peer));
        world_wait(w, 100 * NSEC_PER_MSEC);
}

/* The next one that is given the job is the one with most memory of those left. */
static void test_more_memory(void **state) {
        for (unsigned seed = 0; seed < 20; seed++) {
                struct world *w = world_begin(seed);
                uint64_t most = 0;
                size_t asked;

                for (unsigned i = 0; i < 8; i++)
                        world_add(w, ORIGIN_GOSSIP)->claims.memory = UINT64_C(1) << (20 + i);
                world_tell(w);
                world_submit(w, "remote");
                bid_rest(w, 0, false);
                assert_int_equal(w->n_voters, 3);
                for (size_t i = 0; i < w->n_list; i++) {
                        bool is_voter = false;

                        for (size_t k = 0; k < 3; k++)
                                is_voter |= peer_id_equal(&w->voters[k], &w->list[i].peer);
                        if (!is_voter)
                                most = w->list[i].claims.memory;
                }
                asked = w->n_asked;
                world_runs_out(w, &w->voters[0]);
                world_wait(w, NSEC_PER_SEC);
                bid_rest(w, asked, false);
                assert_int_equal(w->n_voters, 4);
                assert_int_equal(memory_of(w, &w->voters[3]), most);
                world_end(w);
        }
}

/* Those that have no more than a quorum ran out with are not given it; one host's word
 * alone rules out nobody. */
static void test_no_more_memory(void **state) {
        struct world *w = world_begin(1);
        size_t asked;

        world_add_many(w, ORIGIN_GOSSIP, 8);
        world_tell(w);
        world_submit(w, "remote");
        bid_rest(w, 0, true);
        asked = w->n_asked;
        world_runs_out(w, &w->voters[0]);
        world_wait(w, NSEC_PER_SEC);
        bid_rest(w, asked, true);
        assert_int_equal(w->n_voters, 4);
        for (size_t i = 1; i < 4; i++)
                world_runs_out(w, &w->voters[i]);
        for (unsigned i = 0; i < 40 && !w->problem; i++) {
                asked = w->n_asked;
                world_wait(w, NSEC_PER_SEC);
                bid_rest(w, asked, true);
        }
        assert_int_equal(w->n_voters, 4);
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_non_null(strstr(w->detail, "which=memory"));
        world_end(w);
}

#define OTHER_ENGINE "other/1/model"

/* Engines are compared: what one of them needs rules out no host of the other, which has less. */
static void test_another_engine(void **state) {
        struct world *w = world_begin(1);
        unsigned out = 0, others = 0;

        for (unsigned i = 0; i < 8; i++)
                (void) strcpy(world_add(w, ORIGIN_GOSSIP)->claims.engines[0],
                              i < 4 ? WORLD_ENGINE : OTHER_ENGINE);
        world_tell(w);
        w->comparison = "portable";
        world_submit(w, "remote");
        for (unsigned i = 0, voter = 0; i < 40 && !w->problem; i++) {
                for (size_t k = 0; k < w->n_asked; k++) {
                        bool is_other = peer_number(w, &w->asked[k].peer) >= 4;

                        if (!w->asked[k].is_reset && !w->asked[k].has_bid)
                                world_bid_as(w, k, is_other ? OTHER_ENGINE : WORLD_ENGINE,
                                             is_other ? 1u << 20 : 2u << 20);
                        w->asked[k].has_bid = true;
                }
                world_wait(w, NSEC_PER_SEC);
                for (; voter < w->n_voters; voter++)
                        if (peer_number(w, &w->voters[voter]) < 4) {
                                world_runs_out(w, &w->voters[voter]);
                                out++;
                        } else {
                                others += out >= 2; /* a quorum has run out by now */
                        }
                world_wait(w, NSEC_PER_SEC);
        }
        assert_true(out >= 2);
        assert_true(others >= 1);
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_more_memory), cmocka_unit_test(test_no_more_memory),
          cmocka_unit_test(test_another_engine))
