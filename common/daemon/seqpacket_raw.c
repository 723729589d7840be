/* One packet and its descriptors, in and out; no loop, no allocation. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/daemon/seqpacket.h"

union control {
        char space[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
};

int seqpacket_send_raw(int fd, struct bytes packet, const int *fds, size_t n_fds) {
        struct iovec iov = { .iov_base = (void *) packet.data, .iov_len = packet.len };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        union control control = {};
        struct cmsghdr *header;

        check(n_fds <= LINK_FDS_MAX);
        if (n_fds > 0) {
                msg.msg_control = control.space;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                header = CMSG_FIRSTHDR(&msg);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
        }
        for (;;) {
                if (sendmsg(fd, &msg, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Takes what fits, closes the rest: the sender decides how many there are. */
static void take_rights(struct msghdr *msg, int *fds, size_t room, size_t *n_fds) {
        for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
                size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++) {
                        int received;

                        memcpy(&received, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
                        if (*n_fds < room)
                                fds[(*n_fds)++] = received;
                        else
                                fd_close(received);
                }
        }
}

ssize_t seqpacket_receive_raw(int fd, void *buffer, size_t size, int *fds, size_t *n_fds) {
        struct iovec iov = { .iov_base = buffer, .iov_len = size };
        union control control = {};
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
        size_t room = *n_fds;
        ssize_t n;

        *n_fds = 0;
        do
                n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        take_rights(&msg, fds, room, n_fds);
        if (!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return n;
        while (*n_fds > 0)
                fd_close(fds[--*n_fds]);
        return -EMSGSIZE;
}
