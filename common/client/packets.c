#include "common/client/packets.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/base/error.h"
#include "common/wire/unpack.h"

#define PAYLOAD_MAX (64u << 10)

enum { LAST = 0, MORE = 1 };

void packets_init(struct packets *p) {
        *p = (struct packets){};
        buffer_init(&p->held, PACKETS_MESSAGE_MAX + PAYLOAD_MAX + 1);
}

void packets_done(struct packets *p) {
        buffer_done(&p->held);
}

static int receive_one(struct packets *p, int fd, uint8_t *ret_kind) {
        uint8_t *at = buffer_reserve(&p->held, PAYLOAD_MAX + 1);
        struct iovec iov = { .iov_base = at, .iov_len = PAYLOAD_MAX + 1 };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (!at)
                return PACKETS_E_MALFORMED;
        /* ECONNRESET: the other side closed with packets of ours unread. It is told once,
         * before what it sent to us, which is still there. */
        do
                n = recvmsg(fd, &msg, 0);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return PACKETS_E_MORE;
        if (n < 0)
                return error_origin(-errno);
        if (n == 0)
                return p->held.len == 0 ? PACKETS_E_END : PACKETS_E_MALFORMED;
        if ((msg.msg_flags & MSG_TRUNC) || at[0] > MORE)
                return PACKETS_E_MALFORMED;
        *ret_kind = at[0];
        memmove(at, at + 1, (size_t) n - 1);
        p->held.len += (size_t) n - 1;
        return PACKETS_OK;
}

int packets_receive(struct packets *p, int fd, struct bytes *ret) {
        uint8_t kind = MORE;

        if (p->is_whole)
                buffer_clear(&p->held);
        p->is_whole = false;
        while (kind == MORE) {
                int r = receive_one(p, fd, &kind);

                if (r)
                        return r;
                if (p->held.len > PACKETS_MESSAGE_MAX)
                        return PACKETS_E_MALFORMED;
        }
        p->is_whole = true;
        *ret = buffer_bytes(&p->held);
        return PACKETS_OK;
}

int packets_send_from(int fd, struct bytes message, size_t *pos) {
        if (message.len > PACKETS_MESSAGE_MAX)
                return error_origin(-EMSGSIZE);
        for (;;) {
                size_t n = message.len - *pos < PAYLOAD_MAX ? message.len - *pos : PAYLOAD_MAX;
                uint8_t kind = *pos + n < message.len ? MORE : LAST;
                struct iovec iov[] = { { &kind, 1 }, { (void *) (message.data + *pos), n } };
                struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };

                if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
                        if (errno == EINTR)
                                continue;
                        return errno == EAGAIN || errno == EWOULDBLOCK ? PACKETS_E_MORE : -errno;
                }
                *pos += n;
                if (kind == LAST)
                        return PACKETS_OK;
        }
}

int packets_send(int fd, struct bytes message) {
        size_t pos = 0;
        int r = packets_send_from(fd, message, &pos);

        return r == PACKETS_E_MORE ? error_origin(-EAGAIN) : r;
}

int packets_send_message(int fd, const ProtobufCMessage *message) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, PACKETS_MESSAGE_MAX);
        wire_pack(&b, message);
        return b.failed ? error_origin(-EMSGSIZE) : packets_send(fd, buffer_bytes(&b));
}
