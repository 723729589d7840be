#pragma once

/* Messages of any size over SOCK_SEQPACKET, cut into packets: one byte (1: more
 * follows, 0: the last) and at most 64 KiB. Between executor and whoever started
 * it. No allocation beyond `max`; no loop. */

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "common/base/bytes.h"

#define PACKETS_MESSAGE_MAX (4u << 20)

enum packets_result {
        PACKETS_OK = 0,
        PACKETS_E_END,       /* the other side closed, at the end of a message */
        PACKETS_E_MORE,      /* nothing more to read for now (non-blocking) */
        PACKETS_E_MALFORMED, /* no packet of ours, too long, or closed inside a message */
};

struct packets {
        struct buffer held; /* what has come of a message */
        bool is_whole;
};

void packets_init(struct packets *p);
void packets_done(struct packets *p);

/* Blocks unless the descriptor does not. PACKETS_OK: *ret is one whole message,
 * valid until the next call. Returns enum packets_result or a fault. */
int packets_receive(struct packets *p, int fd, struct bytes *ret);

/* Sends from byte *pos of the message on (begin with 0), and moves it. PACKETS_OK:
 * all of it; PACKETS_E_MORE: call again when the descriptor is writable; or a fault. */
int packets_send_from(int fd, struct bytes message, size_t *pos);
/* Blocking descriptors only. Returns 0 or a fault. */
int packets_send(int fd, struct bytes message);
int packets_send_message(int fd, const ProtobufCMessage *message);
