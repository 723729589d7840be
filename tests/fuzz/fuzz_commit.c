/* Commits of three hosts for a real job, altered: the input picks, for each host, which
 * bytes of a right commit are changed and how. A commit that was changed anywhere it
 * matters is not counted; one that was not, is. */

#include "tests/fuzz/requester_drive.h"

#define CHANGES_MAX 8

/* Changes in the input: u16 place, u8 what is xored there. Returns how many bytes differ. */
static unsigned change(struct buffer *commit, struct reader *script) {
        unsigned n = reader_u8(script) % CHANGES_MAX, differ = 0;
        CLEANUP(buffer_donep) struct buffer before = {};

        buffer_init(&before, commit->len);
        buffer_put_bytes(&before, buffer_bytes(commit));
        for (unsigned i = 0; i < n && commit->len > 0; i++) {
                size_t at = reader_u16(script) % commit->len;

                commit->data[at] ^= reader_u8(script);
        }
        for (size_t i = 0; i < commit->len; i++)
                differ += commit->data[i] != before.data[i];
        return differ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader script = reader_of(BYTES(data, size));
        struct drive *d = drive_new(drive_verify);
        unsigned unchanged = 0;

        for (unsigned host = 0; host < DRIVE_HOSTS; host++)
                drive_bid(d, host);
        for (unsigned host = 0; host < DRIVE_HOSTS; host++) {
                CLEANUP(buffer_donep) struct buffer commit = {};

                check(drive_commit(d, host, &commit)); /* all three were dispatched */
                unchanged += change(&commit, &script) == 0;
                drive_message(d, host, 7, buffer_bytes(&commit));
        }
        drive_wait(d, NSEC_PER_SEC);
        /* The rows are none, so the answer is checked at once: it is what it is. */
        if (unchanged == DRIVE_HOSTS)
                check(d->is_verified);
        if (d->is_verified)
                check(hash_equal(&d->answer, &d->truth.hash));
        drive_wait(d, 400 * NSEC_PER_SEC);
        drive_free(d);
        return 0;
}
