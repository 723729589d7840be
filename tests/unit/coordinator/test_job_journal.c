/* Jobs that go on after a restart. */

#include "tests/unit/coordinator/world.h"

static void give_input(struct world *w) {
        static const struct input_facts facts = {
                .format = "sqlite", .path = "x.data", .length = 12345, .is_public = true
        };

        coordinator_input_ready(w->c, w->input, &facts, w->now);
        world_pump(w);
        world_wait(w, NSEC_PER_SEC);
}

/* Hosts fetch no more than an offer says, so none goes out before the inputs are there again. */
static void test_inputs_come_before_offers(void **state) {
        struct world *w = world_begin(1);

        (void) state;
        world_keep(w);
        w->has_input = true;
        world_add_many(w, ORIGIN_PINNED, 5);
        world_tell(w);
        world_submit(w, "remote");
        give_input(w);
        assert_int_not_equal(w->n_asked, 0);
        w->n_asked = 0;
        w->input = 0;
        world_restart(w);
        world_wait(w, 10 * NSEC_PER_SEC);
        assert_int_not_equal(w->input, 0);
        assert_int_equal(w->n_asked, 0);
        assert_false(w->has_ended);
        give_input(w);
        assert_int_not_equal(w->n_asked, 0);
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_inputs_come_before_offers))
