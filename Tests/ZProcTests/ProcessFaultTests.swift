// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZProc
import ZProcCore

/// What ends a process and how its parent is told; what a process costs and leaves.
@Suite(.tags(.process, .fault), .timeLimit(.minutes(5))) struct ProcessFaultTests {
    // MARK: Causes

    @Test(arguments: [0, 1, 2, 3, 70, 126, 127, 128, 137, 255])
    func anExitIsToldWithItsStatus(_ status: Int) async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn(status) { if $0 >= 0 { exit(Int32($0)) } }
            let end = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(end.cause == .exit(status: status))
            #expect(end.signalName == nil)
        }
    }

    @Test(
        arguments: [
            SIGHUP, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
            SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS,
        ]
    )
    func aSignalIsToldWithItsName(_ number: Int32) async throws {
        try await withContext(.processes) { context in
            let process = try await context.spawn(number, options: .withoutBacktrace) { number in
                // Libraries may ignore it or handle it.
                signal(number, SIG_DFL)
                kill(getpid(), number)
                try await Task.sleep(for: .seconds(1_000))
            }
            let end = try await #require(throws: ProcessTermination.self) { try await process.value }
            let isTrap = number == SIGILL || number == SIGTRAP
            #expect(end.cause == (isTrap ? .trap(signal: Int(number)) : .signal(Int(number))))
            #expect(end.signalName?.hasPrefix("SIG") == true)
            #expect(end.peakMemoryByteCount > 1 << 20)
        }
    }

    /// The measure is the system call that waits for the same death.
    @Test func aDeathIsKnownAtOnce() async throws {
        try await withContext(.processes) { context in
            var waiters = Duration.seconds(1_000), systems = waiters
            for death in 0..<100 {
                // What else the machine does is in some of the times, and in the least of many not.
                if death >= 10, waiters < systems * 10 { break }
                let process = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
                let pid = id_t(try #require(process.pid)), thread = ThreadExecutor(), isWaiting = Flag()
                let system = Task(executorPreference: thread) {
                    isWaiting.raise()
                    var info = siginfo_t()
                    // Leaves it to be reaped by whoever it belongs to.
                    while waitid(P_PID, pid, &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
                    return ContinuousClock.now
                }
                try await eventually { isWaiting.isRaised }
                let start = ContinuousClock.now
                try process.signal(SIGKILL)
                await #expect(throws: ProcessTermination.self) { try await process.value }
                waiters = min(waiters, .now - start)
                systems = min(systems, await system.value - start)
                thread.finish()
            }
            print("from the signal to the waiter: \(waiters); to a system call that waits: \(systems)")
            #expect(waiters < systems * 10)
        }
    }

    /// Nobody can write out a stream that a thread reads from, nor does it keep the process from ending.
    @Test func aThreadThatReadsDoesNotKeepAProcessFromEnding() async throws {
        try await withTemporaryDirectory { directory in
            try await withContext(.processes) { context in
                let process = try await context.spawn {
                    var ends: [Int32] = [-1, -1]
                    pipe(&ends)
                    let stream = fdopen(ends[0], "r"), reading = Promise<Void>()
                    nonisolated(unsafe) let input = stream
                    startThread(for: "that reads") {
                        reading.settle()
                        _ = fgetc(input)
                    }
                    _ = await reading.settled()
                    // It has the stream's lock when nobody else can get it.
                    while ftrylockfile(input) == 0 {
                        funlockfile(input)
                        usleep(1_000)
                    }
                    return 1
                }
                #expect(try await process.value == 1)
                try await process.wait()
            }
            // What can be written out is.
            try await withContext(.processes) { context in
                try await context.spawn { fputs("written", fopen("\(directory)/unclosed", "w")) }.wait()
            }
            #expect(try read("\(directory)/unclosed") == "written")
        }
    }

    @Test func aBodyThatBlocksAndHasNoThreadIsAnError() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions.withoutBacktrace
            // For a few stacks.
            options.limits.memoryByteCount = 96 << 20
            // One heap for all threads, which gives nothing back.
            options.environment["MALLOC_ARENA_MAX"] = "1"
            options.environment["MALLOC_TRIM_THRESHOLD_"] = "1000000000"
            options.environment["MALLOC_MMAP_THRESHOLD_"] = "33554432"
            let refusal = try await context.isolated(options: options) { () -> String in
                keepMemoryForOthers()
                return try await withContext(.threads) { inner in
                    do {
                        _ = try await inner.spawn(count: 64, options: .blocking) {
                            while !Task.isCancelled { usleep(1_000) }
                        }
                        return "none"
                    } catch let error as SpawnError {
                        return error.message
                    }
                }
            }
            #expect(refusal.contains("there is no thread"), "\(refusal)")
        }
    }

    @Test func aCrashSaysWhere() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions.withoutBacktrace
            options.standardError = .discarded
            // As the runtime does it, which takes its time.
            let process = try await context.spawn(options: options) {
                say("Fatal error: no eggs\n*** Program crashed: Illegal instruction ***\n\n0 bake() at Cake.swift:12\n")
                kill(getpid(), SIGILL)
                try await Task.sleep(for: .seconds(1_000))
            }
            let end = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(end.backtrace == "*** Program crashed: Illegal instruction ***\n\n0 bake() at Cake.swift:12\n")
            #expect(end.description.contains("no eggs"))
            let silent = try await context.spawn([1], options: .withoutBacktrace) { $0[$0.count] }
            let quiet = try await #require(throws: ProcessTermination.self) { try await silent.value }
            #expect(quiet.backtrace == nil)
        }
    }

    @Test func everyEndOfAnIsolatedBodyIsAnError() async throws {
        for backend in Backend.allCases {
            try await withContext(backend) { context in
                #expect(try await context.isolated([3, 4]) { $0[0] * $0[1] } == 12)
                await #expect(throws: TestFailure(reason: "no")) {
                    try await context.isolated { () -> Int in throw TestFailure(reason: "no") }
                }
                var options = ProcessOptions.withoutBacktrace
                let trap = try await #require(throws: ProcessTermination.self) {
                    try await context.isolated([1], options: options) { $0[$0.count] }
                }
                guard case .trap = trap.cause else {
                    Issue.record("\(trap)")
                    return
                }
                let quit = try await #require(throws: ProcessTermination.self) {
                    try await context.isolated { if getpid() > 0 { exit(3) } }
                }
                #expect(quit.cause == .exit(status: 3))
                options.limits.memoryByteCount = 96 << 20
                let glutton = try await #require(throws: ProcessTermination.self) {
                    try await context.isolated(options: options) {
                        var bytes: [[UInt8]] = []
                        while bytes.count < 64 { bytes.append([UInt8](repeating: 1, count: 16 << 20)) }
                        return bytes.count
                    }
                }
                #expect(glutton.cause == .outOfMemory, "\(glutton)")
                options = ProcessOptions()
                options.timeout = .milliseconds(100)
                let slow = try await #require(throws: ProcessTermination.self) {
                    try await context.isolated(options: options) { while getpid() > 0 { usleep(1_000) } }
                }
                #expect(slow.cause == .timedOut(after: .milliseconds(100)))
            }
        }
    }

    @Test func aChildThatCannotReachItsParentHasLostContact() async throws {
        try await withContext(.processes) { context in
            let socket = try String(context.address.dropFirst("ipc://".count))
            let process = try await context.spawn {
                unlink(socket)
                // Its sockets are gone, as on a network that fails; the process is not.
                for descriptor in Int32(5)..<64 where isSocket(descriptor) { shutdown(descriptor, Int32(SHUT_RDWR)) }
                return 1
            }
            let end = try await #require(throws: ProcessTermination.self) { try await process.value }
            #expect(end.cause == .lostContact, "\(end)")
        }
    }

    @Test(arguments: StateWay.all)
    func signalsDuringUpdatesLeaveTheStateWhole(_ way: StateWay) async throws {
        var random = SeededRandom.announced("signals during updates, \(way)")
        try await withContext(.processes, state: way.options) { context in
            let state = context.state
            for round in 0..<12 {
                let workers = try await context.spawnMap(0..<3) { number in
                    while true {
                        try await state.update { draft in
                            draft["all", default: 0] += 1
                            draft["\(round) \(number)", default: 0] += 1
                        }
                        await Task.yield()
                    }
                }
                try await eventually {
                    let snapshot = try await state.snapshot()
                    return (0..<3).allSatisfy { snapshot["\(round) \($0)", default: 0] > 2 }
                }
                for worker in workers {
                    let signals = [SIGINT, SIGTERM, SIGKILL, SIGSTOP, SIGUSR1]
                    try worker.signal(signals.randomElement(using: &random) ?? SIGKILL)
                }
                // A stopped one is killed with its context's patience; the others go on or are gone.
                await workers.stop(grace: .milliseconds(100))
                let snapshot = try await state.snapshot()
                let parts = try snapshot.keys.filter { $0 != "all" }.reduce(0) { try $0 + snapshot.get($1, default: 0) }
                #expect(try snapshot.get("all", default: 0) == parts)
                try await state.increment("all", by: 0)
            }
        }
    }

    // MARK: Output

    @Test func whatAProcessWritesCanBeRead() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions()
            options.standardOutput = .streamed
            options.standardError = .streamed
            let process = try await context.spawn(options: options) {
                put("one\ntwo\n\nfour")
                say("error\n")
            }
            var lines: [String] = [], errors: [String] = []
            for await line in process.standardOutput.lines { lines.append(line) }
            for await line in process.standardError.lines { errors.append(line) }
            #expect(lines == ["one", "two", "", "four"])
            #expect(errors == ["error"])
            let silent = try await context.spawn { put("") }
            for await _ in silent.standardOutput { Issue.record("it is not streamed") }
            // The end of it is kept all the same.
            let quitter = try await context.spawn(options: options) {
                say("last words\n")
                if getpid() > 0 { exit(1) }
            }
            let end = try await #require(throws: ProcessTermination.self) { try await quitter.value }
            #expect(end.standardErrorTail == "last words\n")
        }
    }

    @Test func aWriterWaitsForItsReader() async throws {
        try await withContext(.processes) { context in
            var options = ProcessOptions()
            options.standardOutput = .streamed
            let state = context.state, pieces = 4_000, size = 1 << 10
            let process = try await context.spawn(options: options) {
                for number in 0..<pieces {
                    put(String(repeating: "x", count: size - 1) + "\n")
                    if number % 100 == 0 { try await state.set("written", to: number * size) }
                }
            }
            // It gets as far as the buffers, and no further, until somebody reads.
            try await eventually { try await state.get("written", default: 0) >= 900 << 10 }
            try await process.stillRunsAfterWriting(state, atMost: 1 << 20 + 256 << 10)
            var count = 0
            for await piece in process.standardOutput { count += piece.count }
            #expect(count == pieces * size)
            try await process.value

            // Nobody wants it any more.
            let chatterbox = try await context.spawn(options: options) {
                for _ in 0..<pieces { put(String(repeating: "x", count: size)) }
            }
            let reader = Task { for await _ in chatterbox.standardOutput {} }
            reader.cancel()
            try await chatterbox.value
        }
    }

    // MARK: Threads and spares

    @Test func aProcessHasItsShareOfTheThreads() async throws {
        try await withContext(.processes) { context in
            for count in [1, 2] {
                var options = ProcessOptions()
                options.threadCount = count
                let (own, pool) = try await context.spawn(options: options) {
                    [try await threads(), try await poolThreads(wanted: count)]
                }
                .value.pair
                #expect(own <= count)
                #expect(pool <= count)
            }
            // Split among those that are spawned together.
            let shares = try await context.spawn(count: 8) { try await threads() }.values
            #expect(shares.allSatisfy { $0 == 1 })
            #expect(
                try await context.spawn { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }.value
                    == sysconf(Int32(_SC_NPROCESSORS_ONLN))
            )
        }
    }

    @Test func aContextOfOneThreadRunsOneTaskAtATimeAndSoDoesWhatItSpawns() async throws {
        var scope = ContextOptions()
        scope.threadCount = 1
        try await withContext(.processes, options: scope) { context in
            let own = try await threads()
            let share = try await context.spawn { try await threads() }.value
            #expect(own == 1)
            #expect(share == 1)
        }
    }

    @Test func spareProcessesAreUsedAndReplaced() async throws {
        var scope = ContextOptions()
        scope.spareProcesses = 2
        try await withContext(.processes, options: scope) { context in
            try await eventually { context.readySpareCount == 2 }
            var pids: Set<Int> = []
            for number in 0..<10 {
                let process = try await context.spawn(number, name: "number \(number)") { [$0, Int(getpid())] }
                let value = try await process.value
                #expect(value == [number, process.pid])
                pids.insert(value[1])
            }
            #expect(pids.count == 10)
            try await eventually { context.readySpareCount == 2 }
            // What a spare cannot have has a process of its own.
            var options = ProcessOptions()
            options.environment = ["ZPROC_TEST_SPARE": "own"]
            let seen = try await context.spawn(options: options) { getenv("ZPROC_TEST_SPARE") != nil }.value
            #expect(seen)
            let failing = try await context.spawn(name: "failing") { if getpid() > 0 { exit(4) } }
            let end = try await #require(throws: ProcessTermination.self) { try await failing.value }
            #expect(end.name == "failing")
            let stopped = try await context.spawn { try await Task.sleep(for: .seconds(1_000)) }
            await stopped.stop()
            await #expect(throws: CancellationError.self) { try await stopped.value }
        }
    }

    // MARK: Leaks

    /// `ZPROC_LEAK_SPAWNS` says how many are spawned one after the other, `ZPROC_LEAK_TREES` how many four deep.
    @Test func nothingIsLeftOfProcessesThatEnded() async throws {
        let spawns = Environment.number("ZPROC_LEAK_SPAWNS", default: 100)
        let trees = Environment.number("ZPROC_LEAK_TREES", default: 10)
        let report = try await withContext(.processes) { context in
            // In a process of its own, where nothing else happens.
            try await context.spawn { () -> [Footprint] in
                try await withContext(.processes) { inner in
                    func once() async throws { _ = try await inner.spawn { 1 }.value }
                    func tree() async throws {
                        #expect(try await inner.spawn { try await deep(inner, 3) }.value == 4)
                    }
                    for _ in 0..<20 { try await once() }
                    for _ in 0..<2 { try await tree() }
                    let directory = try String(inner.address.dropFirst("ipc://".count).dropLast("/hub".count))
                    var footprints = [try await Footprint.settled(directory)]
                    for _ in 0..<spawns { try await once() }
                    footprints.append(try await Footprint.settled(directory))
                    for _ in 0..<trees { try await tree() }
                    footprints.append(try await Footprint.settled(directory))
                    return footprints
                }
            }.value
        }
        print("before, after \(spawns) spawns, after \(trees) trees: \(report)")
        for footprint in report {
            #expect(footprint.descriptors <= report[0].descriptors)
            // The runtime keeps a few more of its own when it has been busy.
            #expect(footprint.threads <= report[0].threads + 4)
            #expect(footprint.files == report[0].files)
            #expect(footprint.memory < report[0].memory + 8 << 20)
        }
    }
}

/// What a process has of what can leak.
private struct Footprint: Codable, Sendable, CustomStringConvertible {
    var descriptors: Int, threads: Int, files: Int, memory: Int

    /// When all that ended has been reaped.
    static func settled(_ directory: String) async throws -> Footprint {
        var last = Footprint(descriptors: 0, threads: 0, files: 0, memory: 0), sameLooks = 0
        try await eventually {
            let now = Footprint(
                descriptors: count("/proc/self/fd"),
                threads: count("/proc/self/task"),
                files: count(directory),
                memory: residentMemory()
            )
            let isSame = (now.descriptors, now.threads, now.files) == (last.descriptors, last.threads, last.files)
            sameLooks = isSame ? sameLooks + 1 : 0
            last = now
            return sameLooks == 100
        }
        return last
    }

    var description: String { "\(descriptors) descriptors, \(threads) threads, \(files) files, \(memory >> 10) KiB" }

    private static func count(_ directory: String) -> Int {
        guard let stream = opendir(directory) else { return 0 }
        defer { closedir(stream) }
        var count = 0
        while readdir(stream) != nil { count += 1 }
        return count
    }

    private static func residentMemory() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = fread(&text, 1, text.count, file)
        let pages = String(decoding: text.prefix(count), as: UTF8.self).split(separator: " ").dropFirst().first
        return (pages.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }
}

/// Spawns itself so many levels deeper, and counts them.
private func deep(_ context: Context, _ levels: Int) async throws -> Int {
    if levels == 0 { return 1 }
    return try await context.spawn { try await deep(context, levels - 1) }.value + 1
}

private func isSocket(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
}

/// How many child tasks of a body run at once.
private func threads() async throws -> Int {
    let crowd = Crowd()
    return await withTaskGroup(of: Void.self) { group in
        for _ in 0..<16 { group.addTask { crowd.spin() } }
        await group.waitForAll()
        return crowd.most
    }
}

/// The same for tasks on the runtime's own pool.
private func poolThreads(wanted count: Int) async throws -> Int {
    var fewest = Int.max
    // The pool takes a thread more when it believes that one of its own is stuck, and has it until that has had nothing
    // to do for 5 seconds.
    for attempt in 0..<4 where fewest > count {
        if attempt > 0 { try await Task.sleep(for: .seconds(6)) }
        let crowd = Crowd()
        for task in (0..<16).map({ _ in Task.detached { crowd.spin() } }) { await task.value }
        fewest = min(fewest, crowd.most)
    }
    return fewest
}

/// Counts who is in it at the same time.
private final class Crowd: Sendable {
    private let count = Mutex((now: 0, most: 0))

    var most: Int { count.withLock { $0.most } }

    func spin() {
        count.withLock { count in
            count.now += 1
            count.most = max(count.most, count.now)
        }
        let end = ContinuousClock.now + .milliseconds(5)
        while ContinuousClock.now < end {}
        count.withLock { $0.now -= 1 }
    }
}

extension [Int] {
    fileprivate var pair: (Int, Int) { (self[0], self[1]) }
}

extension SpawnedProcess {
    /// Whether it has stopped writing because nobody reads.
    fileprivate nonisolated func stillRunsAfterWriting(_ state: SharedState, atMost limit: Int) async throws {
        var last = -1
        // It is at rest when its process sleeps in a write and has got no further between two looks.
        try await eventually {
            let written = try await state.get("written", default: 0)
            defer { last = written }
            return written == last && processState(pid ?? 0) == "S"
        }
        #expect(last <= limit)
    }
}

/// Has the allocator have some memory for small things: what stacks leave of a limit may be too little to go on with.
private func keepMemoryForOthers() {
    let blocks = (0..<256).compactMap { _ in malloc(32 << 10) }
    for block in blocks { memset(block, 1, 32 << 10) }
    for block in blocks { free(block) }
}
