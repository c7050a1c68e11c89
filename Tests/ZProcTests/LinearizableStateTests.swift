// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Linearizability
import Testing
import ZProc

/// Concurrent operations of many processes must look as if they had been made one after the other.
///
/// `ZPROC_HISTORY_OPERATIONS` is how many each of them makes; `ZPROC_SEED` repeats what they do, if not when.
@Suite(.tags(.state, .process), .timeLimit(.minutes(10)))
struct LinearizableStateTests {
    private static let processes = 5

    @Test(arguments: Backend.allCases, StateWay.all)
    func everyHistoryHasAnOrder(on backend: Backend, _ way: StateWay) async throws {
        var random = SeededRandom.announced("histories, \(backend), \(way.testDescription)")
        let count = Environment.number("ZPROC_HISTORY_OPERATIONS", default: 200)
        try await withTemporaryDirectory { directory in
            try await withContext(backend, state: way.options) { context in
                let state = context.state
                var running: [SpawnedProcess<Void>] = []
                for number in 0..<Self.processes {
                    let log = "\(directory)/\(number)", seed = random.next()
                    // The first one of processes goes on until it is killed.
                    let count = backend == .processes && number == 0 ? .max : count
                    running.append(
                        try await context.spawn(number, count) { number, count in
                            try await recordOperations(state, number, count, log, seed)
                        }
                    )
                }
                try await state.first(timeout: .seconds(60)) { $0.count == Self.processes }
                try await state.set("go", to: true)
                if backend == .processes {
                    // One of them does not finish: what it had asked for last may have happened or not.
                    try await eventually { fileSize("\(directory)/0") > 1_000 }
                    try running[0].signal(SIGKILL)
                    _ = try? await running.removeFirst().value
                }
                for process in running { try await process.value }
            }
            let history = try (0..<Self.processes).flatMap { try recordedOperations("\(directory)/\($0)") }
            #expect(history.count > (Self.processes - 1) * count)
            let verdict = LinearizabilityChecker<RegisterMap>().check(history)
            #expect(verdict == .linearizable)
            #expect(backend == .threads || overlaps(history) > 0)
            print(
                "\(backend), \(way.testDescription): \(history.count) operations, \(overlaps(history)) overlap the next"
            )
        }
    }
}

private typealias Recorded = RecordedOperation<RegisterMap.Operation, RegisterMap.Output>

/// Makes operations at random and writes each to `log` before it is called and after it has returned.
private func recordOperations(
    _ state: SharedState,
    _ process: Int,
    _ count: Int,
    _ log: String,
    _ seed: UInt64
) async throws {
    let file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw TestFailure(reason: "cannot write \(log)") }
    defer { close(file) }
    var random = SeededRandom(state: seed)
    // All at once, or there would be little to put in order.
    try await state.set("ready \(process)", to: true)
    try await state.firstAvailable("go")
    for _ in 0..<count {
        let operation = randomOperation(using: &random)
        var record = Recorded(process: process, call: nanoseconds(), return: nil, operation: operation, output: nil)
        try append(record, to: file)
        record.output = try await perform(operation, on: state)
        record.return = nanoseconds()
        try append(record, to: file)
        await Task.yield()
    }
}

private func randomOperation(using random: inout SeededRandom) -> RegisterMap.Operation {
    let key = ["x", "y"].randomElement(using: &random) ?? "x", value = Int.random(in: 0...3, using: &random)
    switch Int.random(in: 0..<10, using: &random) {
    case 0..<3: return .get(key: key)
    case 3..<5: return .set(key: key, value)
    case 5..<7: return .increment(key: key, by: value)
    case 7..<9: return .compareAndSet(key: key, expected: value == 0 ? nil : value, value + 1)
    default: return .remove(key: key)
    }
}

private func perform(_ operation: RegisterMap.Operation, on state: SharedState) async throws -> RegisterMap.Output {
    switch operation {
    case .get(let key): return .value(try await state.get(key, as: Int.self))
    case .set(let key, let value):
        try await state.set(key, to: value)
        return .done
    case .increment(let key, let amount): return .value(try await state.increment(key, by: amount))
    case .compareAndSet(let key, let expected, let value):
        return .bool(try await state.compareAndSet(key, expecting: expected, to: value))
    case .remove(let key): return .value(try await state.remove(key, as: Int.self))
    }
}

/// Nanoseconds of the clock that all processes of the machine share.
private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func append(_ record: Recorded, to file: Int32) throws {
    var line = try JSONEncoder().encode(record)
    line.append(UInt8(ascii: "\n"))
    let count = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    guard count == line.count else { throw TestFailure(reason: "cannot write a record") }
}

/// The operations of one process; of those that returned, the second record counts.
private func recordedOperations(_ log: String) throws -> [Recorded] {
    var operations: [Recorded] = []
    for line in try read(log).split(separator: "\n") {
        let record = try JSONDecoder().decode(Recorded.self, from: Data(line.utf8))
        if record.return != nil { operations.removeLast() }
        operations.append(record)
    }
    return operations
}

/// How many operations were called before one called earlier had returned: a history without any proves little.
private func overlaps(_ history: [Recorded]) -> Int {
    let sorted = history.sorted { $0.call < $1.call }
    return zip(sorted, sorted.dropFirst()).filter { ($0.return ?? .max) >= $1.call }.count
}
