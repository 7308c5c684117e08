/*
 * Opens streams on sockets of its own and reports, as one line of JSON, what came, what was late, and its processor
 * time. Compiled, so that what measures takes little of what is measured: cc -O2 stream-client.c -o stream-client
 * stream-client PORT STREAMS DELTAS REQUEST, the last a file that holds the request's bytes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 4096, READ = 65536 };

/* What of an answer was not looked at yet: at most a frame that is cut in two. */
struct stream {
  int socket;
  int seen;
  int has_usage;
  size_t length;
  char rest[KEPT + READ];
};

static double *late_ms;
static size_t lates, most_lates;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double cpu_micros(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_stream(int port, const char *request, size_t bytes) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1, one = socket(AF_INET, SOCK_STREAM, 0);
  if (one < 0 || connect(one, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (write(one, request, bytes) != (ssize_t)bytes) fail("write");
  return one;
}

/* Notes each stamp (" @1700000000000.00@") up to the last whole frame, and keeps what follows it. 1 at the end. */
static int look(struct stream *one) {
  char *from = one->rest, *end = one->rest + one->length, *last = from;
  for (char *at; (at = memmem(last, (size_t)(end - last), "\n\n", 2)) != NULL; last = at + 2) {
    char *stamp = memmem(last, (size_t)(at - last), " @", 2);
    if (stamp != NULL && lates < most_lates) {
      late_ms[lates++] = now_ms() - strtod(stamp + 2, NULL);
      one->seen++;
    }
    if (memmem(last, (size_t)(at - last), "\"usage\":{", 9) != NULL) one->has_usage = 1;
    if (memmem(last, (size_t)(at - last), "data: [DONE]", 12) != NULL) return 1;
  }
  one->length = (size_t)(end - last);
  if (one->length > KEPT) last = end - KEPT, one->length = KEPT;
  memmove(from, last, one->length);
  return 0;
}

static int by_size(const void *one, const void *other) {
  double difference = *(const double *)one - *(const double *)other;
  return (difference > 0) - (difference < 0);
}

int main(int count, char **words) {
  if (count != 5) return fprintf(stderr, "stream-client PORT STREAMS DELTAS REQUEST\n"), 2;
  int port = atoi(words[1]), streams = atoi(words[2]), deltas = atoi(words[3]);
  static char request[65536];
  FILE *file = fopen(words[4], "rb");
  if (file == NULL) fail(words[4]);
  size_t bytes = fread(request, 1, sizeof request, file);
  fclose(file);
  most_lates = (size_t)streams * (size_t)deltas;
  late_ms = calloc(most_lates, sizeof *late_ms);
  struct stream *all = calloc((size_t)streams, sizeof *all);
  int poll = epoll_create1(0), complete = 0, with_usage = 0;
  double before = cpu_micros();
  for (int at = 0; at < streams; at++) {
    all[at].socket = open_stream(port, request, bytes);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[at]};
    epoll_ctl(poll, EPOLL_CTL_ADD, all[at].socket, &event);
  }
  for (int open = streams; open > 0;) {
    struct epoll_event events[64];
    int ready = epoll_wait(poll, events, 64, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int at = 0; at < ready; at++) {
      struct stream *one = events[at].data.ptr;
      ssize_t got = read(one->socket, one->rest + one->length, READ);
      if (got > 0) one->length += (size_t)got;
      int is_done = got > 0 && look(one);
      if (got > 0 && !is_done) continue;
      complete += is_done && one->seen == deltas;
      with_usage += one->has_usage;
      close(one->socket);
      open--;
    }
  }
  double cpu = cpu_micros() - before;
  qsort(late_ms, lates, sizeof *late_ms, by_size);
  printf("{\"complete\":%d,\"usageSeen\":%d,\"chunks\":%zu,\"p99LateMs\":%.3f,\"worstLateMs\":%.3f,\"clientCpuMicros\":%.0f}\n",
         complete, with_usage, lates, lates ? late_ms[(size_t)(lates * 0.99)] : 0, lates ? late_ms[lates - 1] : 0, cpu);
  return 0;
}
