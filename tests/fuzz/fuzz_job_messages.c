/* Bytes of three hosts into the requester role, from the offer to the rows. The input
 * is a script: one byte says what happens next and to which host, then comes its
 * argument. Whatever they say, no rows are VERIFIED: the truth here is that nobody
 * can sign. */

#include "tests/fuzz/requester_drive.h"

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
        return drive_script(drive_new(drive_nobody_signs), BYTES(data, size), step);
}
