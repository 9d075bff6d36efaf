/* A library to preload (LD_PRELOAD): the process's clock of the day is CERTLINE_TEST_CLOCK_SHIFT seconds off.
 *
 * Only what tells the time of day differs; the monotonic clock and all that waits by it are left alone. A wait until
 * a time of day (sem_timedwait, pthread_cond_timedwait on CLOCK_REALTIME) would be wrong: CPython 3.11 has none.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    static int known = 0;
    static long seconds = 0;
    if (!known) {
        const char *text = getenv("CERTLINE_TEST_CLOCK_SHIFT");
        seconds = text ? atol(text) : 0;
        known = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI))
        now->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return (time_t)-1;
    if (also)
        *also = precise.tv_sec;
    return precise.tv_sec;
}
