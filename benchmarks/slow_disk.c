/* Makes each fsync of a process take longer, as on a disk that is slower than this machine's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int delayed(const char *name, int handle)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *wanted = getenv("SLOW_DISK_US");
    if (wanted != NULL)
        usleep((useconds_t)atoi(wanted));
    return real(handle);
}

int fsync(int handle) { return delayed("fsync", handle); }
int fdatasync(int handle) { return delayed("fdatasync", handle); }
