// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Tasks that others run by name: no code travels, so that programs of other builds and in other languages can.
extension Context {
    /// Lets everybody who shares this context's state run `body` by a name.
    ///
    ///     try context.register(task: "resize") { (width: Int, path: String) async throws -> Int in … }
    ///
    /// It runs in this process, on a task of Swift's own pool, as many at once as are asked for; it is cancelled when its
    /// caller gives up or goes away. Where keys say who may do what, a ``Role/writer`` may run it: what it does is up to
    /// this program, not to the caller. Arguments come from anybody who can connect. A name that is registered again means
    /// the new body from then on.
    ///
    /// - Parameters:
    ///   - name: what others call it.
    ///   - body: what to run; its error reaches the caller.
    /// - Throws: ``StateError`` in a context that does not keep its state itself: nobody would look for tasks there.
    public func register<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        task name: String,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) throws {
        try ownTasks.add(NamedTask(name, system, body), as: name)
    }

    /// Lets others run a `body` that returns nothing; see the other form.
    public func register<each Argument: Codable & Sendable>(
        task name: String,
        body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) throws {
        try ownTasks.add(NamedTask(name, system, body), as: name)
    }

    /// Takes a name back; whether there was one.
    ///
    /// Runs that are under way go on.
    ///
    /// - Throws: ``StateError`` in a context that does not keep its state itself.
    @discardableResult
    public func unregister(task name: String) throws -> Bool { try ownTasks.remove(name) }

    /// Runs a task that is registered where the state is kept, and gives its result.
    ///
    ///     let height = try await context.run(task: "resize", 100, "a.png", as: Int.self)
    ///
    /// A call that was sent and got no answer is not made again, because it may have been carried out: the error's
    /// ``CallOutcome`` is `unknown`. Cancelling cancels the task there.
    ///
    /// - Parameters:
    ///   - name: what it is registered as.
    ///   - argument: what it takes.
    ///   - type: what it returns.
    /// - Returns: its result.
    /// - Throws: ``CallError``: `methodNotFound` for a name that is not registered, `badArguments` for other arguments than
    ///   it takes, `badResult` when it has run and returned no `type`; ``TransportError``; what the task throws.
    public func run<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        task name: String,
        _ argument: repeat each Argument,
        as type: Result.Type
    ) async throws -> Result {
        let arguments = try encodeArguments(repeat each argument)
        let answer = try await run(task: name, encoded: arguments)
        do {
            return try system.replyDecoder.decode(type, from: answer)
        } catch {
            throw CallError(.badResult, "the result of task '\(name)' is no \(type): \(error)")
        }
    }

    /// Runs a task whose result, if it has one, is not wanted; see the other form.
    public func run<each Argument: Codable & Sendable>(
        task name: String,
        _ argument: repeat each Argument
    ) async throws {
        let arguments = try encodeArguments(repeat each argument)
        _ = try await run(task: name, encoded: arguments)
    }

    /// The names of the tasks that are registered where the state is kept, sorted.
    public func registeredTasks() async throws -> [String] {
        if system.states.own != nil { return system.tasks.names }
        let answer = try await callTasks(.list, try system.encoder.encode([String]()), mayRepeat: true)
        return try system.decoder.decode([String].self, from: answer)
    }

    private var ownTasks: NamedTaskTable {
        get throws {
            guard system.states.own != nil else {
                throw StateError(.unavailable, "tasks are registered in the context that keeps the state")
            }
            return system.tasks
        }
    }

    /// Here nothing suspends: packs and suspension do not go together well.
    private func encodeArguments<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument
    ) throws -> EncodedValue {
        EncodedValue(unchecked: try system.encoder.encode(ArgumentList(repeat each argument)))
    }

    private func run(task name: String, encoded arguments: EncodedValue) async throws -> ArraySlice<UInt8> {
        if system.states.own != nil { return try await system.tasks.run(name, arguments)()[...] }
        let message = try system.encoder.encode(ArgumentList(name, arguments))
        return try await callTasks(.run, message, mayRepeat: false)
    }

    private func callTasks(
        _ method: NamedTaskMethod,
        _ arguments: [UInt8],
        mayRepeat: Bool
    ) async throws -> ArraySlice<UInt8> {
        guard let home else { throw StateError(.unavailable, "this process is not told where the state lives") }
        let service = NamedTaskService.name
        if let hub = system.hubs.client(at: home.address.endpoint) {
            return try await hub.call(
                service,
                method.rawValue,
                arguments: arguments,
                isChange: false,
                mayRepeat: mayRepeat
            )
        }
        return try await system.call(service, method.rawValue, arguments: arguments, at: home.address)
    }
}

/// What is asked of a hub's named tasks.
enum NamedTaskMethod: String {
    /// `[name, [argument, …]]` → the task's result, nil when it has none
    case run
    /// `[]` → array of the names
    case list
}

/// A registered task, whose types only the closure knows.
struct NamedTask: Sendable {
    /// What is left to do when the arguments have been read; gives the encoded result.
    typealias Run = @concurrent @Sendable () async throws -> [UInt8]
    /// Reads the arguments.
    let prepare: @Sendable (EncodedValue) throws -> Run

    init<Result: Codable & Sendable, each Argument: Codable & Sendable>(
        _ name: String,
        _ system: ZProcSystem,
        _ body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Result
    ) {
        let decoder = system.decoder, encoder = system.encoder
        prepare = { encoded in
            let arguments = try ArgumentList<repeat each Argument>(of: name, encoded, decoder).values
            return {
                let result = try await body(repeat each arguments)
                do {
                    return try encoder.encode(result)
                } catch {
                    let what = "task '\(name)' returned a \(Result.self) that cannot be encoded"
                    throw CallError(.badResult, "\(what): \(error)")
                }
            }
        }
    }

    init<each Argument: Codable & Sendable>(
        _ name: String,
        _ system: ZProcSystem,
        _ body: @escaping @concurrent @Sendable (repeat each Argument) async throws -> Void
    ) {
        let decoder = system.decoder
        prepare = { encoded in
            let arguments = try ArgumentList<repeat each Argument>(of: name, encoded, decoder).values
            return {
                try await body(repeat each arguments)
                return Value.nil.encoded()
            }
        }
    }
}

extension ArgumentList {
    /// Reads the arguments of a task, which must be as many, and of these types.
    fileprivate init(of task: String, _ encoded: EncodedValue, _ decoder: MessagePackDecoder) throws {
        let given: [EncodedValue]
        do {
            given = try decoder.decode([EncodedValue].self, from: encoded.bytes)
        } catch {
            throw CallError(.badArguments, "the arguments of task '\(task)' are no array")
        }
        var count = 0
        for _ in repeat (each Argument).self { count += 1 }
        guard given.count == count else {
            throw CallError(.badArguments, "task '\(task)' takes \(count) arguments, and was given \(given.count)")
        }
        var index = 0
        func next<T: Decodable>(_ type: T.Type) throws -> T {
            defer { index += 1 }
            do {
                return try decoder.decode(type, from: given[index].bytes)
            } catch {
                throw CallError(.badArguments, "argument \(index + 1) of task '\(task)' is no \(type): \(error)")
            }
        }
        self.init(repeat try next((each Argument).self))
    }
}

/// The tasks that are registered in this process.
final class NamedTaskTable: Sendable {
    private let tasks = Mutex<[String: NamedTask]>([:])

    func add(_ task: NamedTask, as name: String) { tasks.withLock { $0[name] = task } }

    func remove(_ name: String) -> Bool { tasks.withLock { $0.removeValue(forKey: name) } != nil }

    /// What bodies capture may hold the context that holds them.
    func removeAll() {
        let ended = tasks.withLock { tasks in
            defer { tasks = [:] }
            return tasks
        }
        withExtendedLifetime(ended) {}
    }

    var names: [String] { tasks.withLock { $0.keys.sorted() } }

    /// What runs a task.
    ///
    /// - Throws: ``CallError`` when there is none of that name, or it takes other arguments.
    func run(_ name: String, _ arguments: EncodedValue) throws -> NamedTask.Run {
        guard let task = tasks.withLock({ $0[name] }) else {
            throw CallError(.methodNotFound, "no task is registered as '\(name.prefix(100))'")
        }
        return try task.prepare(arguments)
    }
}

/// Runs registered tasks for others.
final class NamedTaskService: Service {
    static let name = "task"

    private let tasks: NamedTaskTable
    private let system: WeakReference<ZProcSystem>

    init(_ tasks: NamedTaskTable, system: ZProcSystem) {
        self.tasks = tasks
        self.system = WeakReference(system)
    }

    /// A task does what this program has said it does: it is no code of the caller's.
    func role(for method: String) -> Role { method == NamedTaskMethod.list.rawValue ? .reader : .writer }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            switch NamedTaskMethod(rawValue: call.method) {
            case .run:
                let tasks = tasks
                let (name, arguments) = try read(call.arguments, system.decoder)
                call.respond(encoder: system.errorCoder) {
                    // Arguments may be large, and a body may take its time: the transport's threads have others to serve.
                    try await withTaskExecutorPreference(globalConcurrentExecutor) {
                        try await tasks.run(name, arguments)()
                    }
                }
            case .list: call.succeed(try system.encoder.encode(tasks.names))
            case nil: throw CallError(.methodNotFound, "tasks have no method '\(call.method)'")
            }
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    private func read(_ bytes: ArraySlice<UInt8>, _ decoder: MessagePackDecoder) throws -> (String, EncodedValue) {
        do {
            return try decoder.decode(ArgumentList<String, EncodedValue>.self, from: bytes).values
        } catch {
            throw CallError(.badArguments, "the arguments of task.run are a name and an array: \(error)")
        }
    }
}
