// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import WeakReferences
internal import ZProcCore

/// What is asked of a hub as a whole.
enum HubMethod: String {
    /// `[]` → ``HubInfo``
    case ping
    /// `[]` → array of ``ProcessInfo``
    case processes
    /// `[pid]` → boolean: whether there was such a process, which is being stopped
    case stop
    /// `[]` → `[address, socket]`, texts: where the hub listens, and a ``NearbySocket`` where the client, which the hub forgets,
    /// says hello again; `[]` when there is none
    case move
}

/// A hub as it says of itself.
public struct HubInfo: Hashable, Sendable, Codable {
    /// The number of the hub's process.
    public var processID: Int
    /// The release of ZProc.
    public var version: String
    /// The version of the protocol.
    public var protocolVersion: Int
    /// Which program it is; closures travel between equal ones only.
    public var build: String
    /// How long it has been running, in seconds.
    public var uptime: Double
    /// How many clients are connected at published addresses.
    public var clients: Int
    /// How many calls of theirs wait for an answer, watches included.
    public var callsInFlight: Int
    /// How many namespaces the state has.
    public var namespaces: Int
}

/// A process that a hub has spawned, or the hub itself.
public struct ProcessInfo: Hashable, Sendable, Codable {
    /// Its number.
    public var processID: Int
    /// What it is called.
    public var name: String
    /// The processor time it has used, in seconds.
    public var processorTime: Double
    /// The memory it has resident, in bytes.
    public var memory: Int
    /// How long it has been running, in seconds.
    public var uptime: Double
}

/// Answers questions about the hub.
final class HubService: Service {
    static let name = "hub"

    private let system: WeakReference<ZProcSystem>
    private let start = ContinuousClock.now

    init(_ system: ZProcSystem) { self.system = WeakReference(system) }

    func has(_ method: String) -> Bool { HubMethod(rawValue: method) != nil }
    func role(for method: String) -> Role { method == HubMethod.stop.rawValue ? .runner : .reader }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            switch HubMethod(rawValue: call.method) {
            case .ping: call.succeed(try system.encoder.encode(system.hubInfo(since: start)))
            case .processes: call.succeed(try system.encoder.encode(system.processInfos()))
            case .stop:
                let arguments = try system.decoder.decode(ArgumentList<Int>.self, from: call.arguments)
                call.respond(encoder: system.errorCoder) {
                    let isThere = await system.processes.stopChild(arguments.values, grace: Context.grace)
                    return try system.encoder.encode(isThere)
                }
            case .move: try call.inbound.move(call) { try system.encoder.encode($0?.texts ?? []) }
            case nil: throw CallError(.methodNotFound, "a hub has no method '\(call.method)'")
            }
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }
}

extension ZProcSystem {
    func hubInfo(since start: ContinuousClock.Instant) -> HubInfo {
        let counts = node.publishedCounts
        return HubInfo(
            processID: node.info.processID,
            version: zprocVersion,
            protocolVersion: node.info.protocolVersion,
            build: node.info.build,
            uptime: (.now - start) / .seconds(1),
            clients: counts.peers,
            callsInFlight: counts.calls,
            namespaces: (try? states.own?.namespaces().count) ?? 0
        )
    }

    func processInfos() -> [ProcessInfo] {
        var infos = [ProcessInfo.read(node.info.processID, name: "hub")]
        for (processID, name) in processes.childNames { infos.append(.read(processID, name: name)) }
        return infos.compactMap { $0 }
    }
}

extension ProcessInfo {
    /// What the system says of a process of this machine; nil when it has ended.
    static func read(_ processID: Int, name: String) -> ProcessInfo? {
        // The name may contain anything; the state follows it.
        guard let stat = readFile("/proc/\(processID)/stat"), let end = stat.lastIndex(of: ")"),
            let uptime = readFile("/proc/uptime")?.split(separator: " ").first.flatMap({ Double($0) })
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21, fields[0] != "Z", let user = Double(fields[11]), let system = Double(fields[12]),
            let start = Double(fields[19]), let pages = Int(fields[21])
        else { return nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return ProcessInfo(
            processID: processID,
            name: name,
            processorTime: (user + system) / ticks,
            memory: pages * sysconf(Int32(_SC_PAGESIZE)),
            uptime: max(0, uptime - start / ticks)
        )
    }

    private static func readFile(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 2_048)
        let count = fread(&text, 1, text.count, file)
        return String(decoding: text.prefix(count), as: UTF8.self)
    }
}

/// The release of this library.
public let zprocVersion = "0.1.0"
