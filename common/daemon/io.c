#include "common/daemon/io.h"

#include <errno.h>
#include <unistd.h>

/* What a call that moves bytes said: so many are done, or it is to be called again (0), or why
 * not. None moved is no answer of a blocking descriptor: it would be asked for ever. */
static int moved(ssize_t n, size_t *ret_done) {
        *ret_done = n > 0 ? (size_t) n : 0;
        if (n > 0 || (n < 0 && errno == EINTR))
                return 0;
        return n < 0 ? -errno : -EIO;
}

int io_write(int fd, struct bytes data) {
        struct iovec iov = { (void *) data.data, data.len };

        return io_writev(fd, &iov, 1);
}

int io_writev(int fd, struct iovec *iov, int n) {
        for (;;) {
                size_t done;
                int r;

                for (; n > 0 && iov->iov_len == 0; iov++)
                        n--;
                if (n == 0)
                        return 0;
                r = moved(writev(fd, iov, n), &done);
                if (r)
                        return r;
                for (; n > 0 && done >= iov->iov_len; iov++, n--)
                        done -= iov->iov_len;
                if (n > 0)
                        *iov = (struct iovec){ (char *) iov->iov_base + done, iov->iov_len - done };
        }
}

int io_write_at(int fd, struct bytes data, uint64_t offset) {
        for (size_t at = 0, done; at < data.len; at += done) {
                int r = moved(pwrite(fd, data.data + at, data.len - at, (off_t) (offset + at)),
                              &done);

                if (r)
                        return r;
        }
        return 0;
}

int io_read(int fd, void *to, size_t n) {
        for (size_t at = 0, done; at < n; at += done) {
                int r = moved(read(fd, (char *) to + at, n - at), &done);

                if (r)
                        return r;
        }
        return 0;
}

int io_read_at(int fd, void *to, size_t n, uint64_t offset) {
        for (size_t at = 0, done; at < n; at += done) {
                int r = moved(pread(fd, (char *) to + at, n - at, (off_t) (offset + at)), &done);

                if (r)
                        return r;
        }
        return 0;
}
