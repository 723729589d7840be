/* Which of those that bid get the job. */

#include "tests/fuzz/requester_drive.h"
#include "tests/support/test.h"

/* For whom the k-th dispatch is. */
static unsigned dispatched_to(const struct drive *d, size_t k) {
        struct bytes dispatch = refbuf_bytes(d->held[k].data);

        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                struct bytes id = peer_id_bytes(&d->peers[i]);

                if (memmem(dispatch.data, dispatch.len, id.data, id.len))
                        return i;
        }
        fail_msg("a dispatch to nobody");
        return 0;
}

/* Who lacks less of the data gets the job first; the last place is drawn by lot. */
static void test_holders_come_first(void **state) {
        static const struct {
                uint64_t lacks[DRIVE_HOSTS];
                unsigned order[DRIVE_HOSTS];
        } cases[] = { { { 100, 0, 50 }, { 1, 2, 0 } },
                      { { 7, 8, 0 }, { 2, 0, 1 } },
                      { { 0, 1, 2 }, { 0, 1, 2 } } };

        FOREACH_CASE (c, cases) {
                struct drive *d = drive_new(drive_verify);

                d->holds_signatures = true;
                memcpy(d->fetch_bytes, c->lacks, sizeof(d->fetch_bytes));
                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        drive_bid(d, i);
                drive_wait(d, 100 * NSEC_PER_MSEC);
                assert_int_equal(d->n_held, DRIVE_HOSTS);
                for (unsigned k = 0; k < DRIVE_HOSTS; k++)
                        assert_int_equal(dispatched_to(d, k), c->order[k]);
                drive_free(d);
        }
}

TEST_MAIN(cmocka_unit_test(test_holders_come_first))
