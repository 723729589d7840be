#pragma once

/* A letter in somebody's mailbox, as storing nodes see it: whom it is for, when,
 * a proof of work, and a box that only the recipient can open (keyring/admin
 * seals and opens; the sender is inside).
 *
 *   letter = u8 1  peer recipient  u32 hour  u64 nonce  the sealed box
 *
 * hour: since 1970, when it was made. Work: leading zero bits of H(`quorate.mail.1`,
 * recipient || hour || nonce || H(`quorate.mail.1`, sealed box)), so that a letter is
 * paid for one recipient and one hour. Its slot is H(`quorate.mail.1`, letter). Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/peerid.h"

#define MAILBOX_WORK_BITS   20
#define MAILBOX_LETTER_MAX  (16 * 1024)
#define MAILBOX_HEAD_MAX    (1 + 1 + PEER_ID_MAX + 4 + 8)
#define MAILBOX_HOURS       48 /* that a letter waits */
#define MAILBOX_HOURS_AHEAD 1  /* a sender's clock may be ahead */
#define MAILBOX_PER_SENDER  4  /* letters of one sender in one mailbox, on one storing node */
#define MAILBOX_PER_SUBNET  16
#define MAILBOX_LETTERS     64  /* in one mailbox, on one storing node */
#define MAILBOX_TOMBSTONES  256 /* remembered of one mailbox */
#define MAILBOX_DELETES_MAX 8   /* slots in one tombstone */

struct letter {
        struct peer_id recipient;
        uint32_t hour;
        uint64_t nonce;
        struct bytes sealed; /* view */
};

bool letter_read(struct bytes value, struct letter *ret);
/* Fails the buffer when it is longer than MAILBOX_LETTER_MAX. */
void letter_put(struct buffer *b, const struct letter *l);

/* Whether it would: for who has yet to find its nonce. */
bool letter_fits(const struct letter *l);

unsigned letter_work(const struct letter *l);
/* Looks for a nonce in at most `tries` steps, upwards from l->nonce: true and it stands
 * there, else l->nonce is where to go on. 20 bits take 2^20 steps of 0.2 µs on average. */
bool letter_mine(struct letter *l, unsigned bits, uint64_t tries);

void letter_slot(struct bytes value, uint8_t ret[32]);
/* When storing nodes forget it, µs since 1970. */
int64_t letter_expires_us(const struct letter *l);
/* NULL: may be stored now; else why not. Does not look at the box, nobody can. */
const char *letter_check(const struct letter *l, unsigned bits, int64_t now_us);
