// Enough of CUDA C to run runner/engine/gpu/kernels.cu on a CPU, thread by thread, and enough of
// cuBLAS for one kind of product.
//
// The threads of a block are fibers that switch at barriers. As on a GPU, work on a stream is done
// when the host waits for the stream; work on a stream that is captured becomes a graph.

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#define __global__
#define __device__ static
#define __shared__ static
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulated::shared_memory)

struct Dim {
    int x, y, z;
};
static Dim threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

alignas(64) static char shared_memory[48 << 10];
enum FiberState { RUNNING, AT_WARP_BARRIER, AT_BLOCK_BARRIER, DONE };
struct Fiber {
    jmp_buf at;
    FiberState state = DONE;
    bool is_started = false;
};
static jmp_buf scheduler;
static const int MAX_THREADS = 1024, STACK = 64 << 10;
static Fiber fibers[MAX_THREADS];
static int current;
static const std::function<void()>* body;
static float shuffled[2][MAX_THREADS];
static int n_shuffles[MAX_THREADS];

// A jump, because swapcontext makes a system call each time.
static void wait(FiberState at) {
    Fiber& fiber = fibers[current];
    fiber.state = at;
    if (!_setjmp(fiber.at)) _longjmp(scheduler, 1);
}

static void entry() {
    for (;;) {
        (*body)();
        wait(DONE);
    }
}

// Run the current fiber to its next barrier or its end.
static void resume() {
    Fiber& fiber = fibers[current];
    if (_setjmp(scheduler)) return;
    if (fiber.is_started) _longjmp(fiber.at, 1);
    fiber.is_started = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = std::malloc(STACK);
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
    setcontext(&context);
}

// Whether all fibers of [first, last) that are not done are at this barrier; they then run on.
static bool release(int first, int last, FiberState at) {
    bool any = false;
    for (int i = first; i < last; ++i) {
        if (fibers[i].state == DONE) continue;
        if (fibers[i].state != at) return false;
        any = true;
    }
    if (any)
        for (int i = first; i < last; ++i)
            if (fibers[i].state == at) fibers[i].state = RUNNING;
    return any;
}

static void run_block(int n_threads) {
    for (int i = 0; i < n_threads; ++i) fibers[i].state = RUNNING;
    for (;;) {
        int n_done = 0;
        for (current = 0; current < n_threads; ++current) {
            if (fibers[current].state == RUNNING) {
                threadIdx = {current, 0, 0};
                resume();
            }
            n_done += fibers[current].state == DONE;
        }
        if (n_done == n_threads) return;
        bool moved = release(0, n_threads, AT_BLOCK_BARRIER);
        for (int first = 0; first < n_threads && !moved; first += 32)
            moved =
                release(first, first + 32 < n_threads ? first + 32 : n_threads, AT_WARP_BARRIER) ||
                moved;
        if (!moved) {
            std::fprintf(stderr, "a barrier that not all threads reach\n");
            std::abort();
        }
    }
}

static void run_grid(Dim grid, int n_threads, bool has_barriers,
                     const std::function<void()>& kernel) {
    gridDim = grid;
    blockDim = {n_threads, 1, 1};
    body = &kernel;
    for (int z = 0; z < grid.z; ++z)
        for (int y = 0; y < grid.y; ++y)
            for (int x = 0; x < grid.x; ++x) {
                blockIdx = {x, y, z};
                std::memset(shared_memory, 0xff, sizeof shared_memory);
                if (has_barriers) {
                    run_block(n_threads);
                    continue;
                }
                for (int t = 0; t < n_threads; ++t) {
                    threadIdx = {t, 0, 0};
                    kernel();
                }
            }
}

using Work = std::function<void()>;
struct Stream {
    std::vector<Work> queue;
    long n_waits = 0;
    bool is_captured = false;
    std::shared_ptr<std::vector<Work>> graph;
};
static std::map<long, Stream> streams;
static std::map<long, std::shared_ptr<std::vector<Work>>> graphs;
static long last_id = 0;

static void put(long stream, Work work) {
    if (stream == 0) return work();
    Stream& on = streams[stream];
    if (on.is_captured)
        on.graph->push_back(work);
    else
        on.queue.push_back(work);
}

}  // namespace emulated

static inline void __syncthreads() { emulated::wait(emulated::AT_BLOCK_BARRIER); }
static inline void __threadfence() {}
static inline float __shfl_down_sync(unsigned, float value, int offset) {
    // Two places in turn, because a thread is at most one exchange ahead of the others of its warp.
    const int me = threadIdx.x, place = emulated::n_shuffles[me]++ % 2;
    emulated::shuffled[place][me] = value;
    emulated::wait(emulated::AT_WARP_BARRIER);
    return me % 32 + offset < 32 ? emulated::shuffled[place][me + offset] : value;
}
static inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)(((unsigned long long)a * b) >> 32);
}
static inline int atomicAdd(int* at, int value) {
    const int before = *at;
    *at += value;
    return before;
}
using std::isfinite;

// Like a GPU's, the compiler fuses a product and a sum where it can. It does not here, because it
// cannot see through the assembly.
static inline float opaque(float value) {
    __asm__ volatile("" : "+m"(value));
    return value;
}
static inline float __fmul_rn(float a, float b) { return opaque(a * b); }
static inline float __fadd_rn(float a, float b) { return opaque(opaque(a) + opaque(b)); }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return std::sqrt(a); }

extern "C" {
long emulated_stream() { return ++emulated::last_id; }

// 0, or 1 where CUDA would return an error.
int emulated_wait(long stream) {
    emulated::Stream& on = emulated::streams[stream];
    if (on.is_captured) return 1;
    ++on.n_waits;
    std::vector<emulated::Work> queue;
    queue.swap(on.queue);
    for (auto& work : queue) work();
    return 0;
}

int emulated_wait_all() {
    for (auto& stream : emulated::streams)
        if (emulated_wait(stream.first)) return 1;
    return 0;
}

int emulated_is_captured(long stream) { return emulated::streams[stream].is_captured; }
long emulated_pending(long stream) { return (long)emulated::streams[stream].queue.size(); }

long emulated_waits(long stream) { return emulated::streams[stream].n_waits; }

void emulated_begin(long stream) {
    emulated::streams[stream].is_captured = true;
    emulated::streams[stream].graph = std::make_shared<std::vector<emulated::Work>>();
}

long emulated_end(long stream) {
    emulated::streams[stream].is_captured = false;
    emulated::graphs[++emulated::last_id] = emulated::streams[stream].graph;
    return emulated::last_id;
}

long emulated_nodes(long graph) { return (long)emulated::graphs[graph]->size(); }
void emulated_forget(long graph) { emulated::graphs.erase(graph); }

void emulated_launch(long graph, long stream) {
    auto works = emulated::graphs[graph];
    emulated::put(stream, [works] {
        for (auto& work : *works) work();
    });
}

void emulated_copy(long stream, char* to, const char* from, long n) {
    std::vector<char> copy(from, from + n);
    emulated::put(stream, [to, copy] { std::memcpy(to, copy.data(), copy.size()); });
}

// Faults, as faults.py asks for them.
void emulated_scale(long stream, float* at, long n, float factor) {
    emulated::put(stream, [=] {
        for (long i = 0; i < n; ++i) at[i] *= factor;
    });
}

// Every thousandth byte, which is 0 or 1, becomes the other.
void emulated_flip(long stream, char* at, long n) {
    emulated::put(stream, [=] {
        for (long i = 0; i < n; i += 1000) at[i] = !at[i];
    });
}

// All products are off by this factor.
static float product_factor = 1.f;
void emulated_product(float factor) { product_factor = factor; }

// ========================================================================================= cuBLAS
struct Handle {
    long stream;
    bool has_workspace;
};
int cublasCreate_v2(Handle** handle) {
    *handle = new Handle{0, false};
    return 0;
}
int cublasDestroy_v2(Handle* handle) {
    delete handle;
    return 0;
}
int cublasSetStream_v2(Handle* handle, long stream) {
    if (emulated_is_captured(handle->stream)) return 14;
    *handle = Handle{stream, false};
    return 0;
}
int cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t) {
    handle->has_workspace = ((size_t)workspace % 16) == 0;
    return 0;
}
int cublasSetMathMode(Handle*, int) { return 0; }

// Column-major, as in the manual: C (m, n) = alpha op(A) (m, k) op(B) (k, n) + beta C.
static int product(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                   const float* alpha, const float* A, int lda, long long stride_a, const float* B,
                   int ldb, long long stride_b, const float* beta, float* C, int ldc,
                   long long stride_c, int count) {
    if (!handle->has_workspace || lda < (trans_a ? k : m) || ldb < (trans_b ? n : k) || ldc < m)
        return 7;
    if (*alpha != 1.f || *beta != 0.f) return 15;
    const float factor = product_factor;
    emulated::put(handle->stream, [=] {
        for (int i = 0; i < count; ++i)
            for (int column = 0; column < n; ++column)
                for (int row = 0; row < m; ++row) {
                    const float *a = A + i * stride_a, *b = B + i * stride_b;
                    double sum = 0;
                    for (int l = 0; l < k; ++l)
                        sum += (double)(trans_a ? a[(long long)row * lda + l]
                                                : a[(long long)l * lda + row]) *
                               (trans_b ? b[(long long)l * ldb + column]
                                        : b[(long long)column * ldb + l]);
                    C[i * stride_c + (long long)column * ldc + row] = (float)sum * factor;
                }
    });
    return 0;
}

int cublasSgemm_v2(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                   const float* alpha, const float* A, int lda, const float* B, int ldb,
                   const float* beta, float* C, int ldc) {
    return product(handle, trans_a, trans_b, m, n, k, alpha, A, lda, 0, B, ldb, 0, beta, C, ldc, 0,
                   1);
}

int cublasSgemmStridedBatched(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                              const float* alpha, const float* A, int lda, long long stride_a,
                              const float* B, int ldb, long long stride_b, const float* beta,
                              float* C, int ldc, long long stride_c, int count) {
    return product(handle, trans_a, trans_b, m, n, k, alpha, A, lda, stride_a, B, ldb, stride_b,
                   beta, C, ldc, stride_c, count);
}
}
