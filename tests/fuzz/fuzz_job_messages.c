/* Bytes of three hosts into the requester role, from the offer to the rows. The input
 * is a script: one byte says what happens next and to which host, then comes its
 * argument. Whatever they say, no rows are VERIFIED: the truth here is that nobody
 * can sign. */

#include "tests/fuzz/requester_drive.h"

static bool nobody_signs(const struct sign_public *key, struct bytes message,
                         struct bytes signature) {
        return false;
}

static void step(struct drive *d, unsigned what, struct bytes argument) {
        unsigned host = (what >> 4) % DRIVE_HOSTS;

        switch (what % 8) {
        case 0:
        case 1:
        case 2:
                drive_data(d, host, argument);
                break;
        case 3:
                drive_closed(d, host);
                break;
        case 4:
                drive_bid(d, host);
                break;
        case 5:
                drive_wait(d, (argument.len + 1) * 100 * NSEC_PER_MSEC);
                break;
        case 6:
                drive_window(d, host);
                break;
        case 7: /* own workers are not trusted either */
                drive_report(d, argument);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct drive *d = drive_new(nobody_signs);

        while (reader_left(&r) >= 3) {
                unsigned what = reader_u8(&r);
                size_t len = reader_u16(&r);

                step(d, what, reader_take(&r, len < reader_left(&r) ? len : reader_left(&r)));
        }
        drive_wait(d, 400 * NSEC_PER_SEC);
        check(!d->is_verified);
        drive_free(d);
        return 0;
}
