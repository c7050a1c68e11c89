// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Glibc

/// An echo server in a process of its own, on a socket in a fresh directory or on a port of this machine.
final class EchoServer {
    let endpoint: String
    /// Nil on a port.
    private let directory: String?
    private let process: pid_t
    /// The server ends when this is closed.
    private let lifeline: Int32

    /// Starts the program once more, for the role that `role` makes of the endpoint.
    init(overTCP: Bool = false, _ role: (String) -> ChildRole) throws {
        if overTCP {
            let port = cbr_free_port()
            if port == 0 { throw BenchError("no port is free for an echo server") }
            directory = nil
            endpoint = "tcp://127.0.0.1:\(port)"
        } else {
            let directory = try makeDirectory()
            self.directory = directory
            endpoint = "ipc://\(directory)/echo"
        }
        var lifeline: Int32 = -1
        process = cbr_start(ChildRole.variable, role(endpoint).text, &lifeline)
        self.lifeline = lifeline
        if process < 0 {
            if let directory { rmdir(directory) }
            throw BenchError("cannot start an echo server: \(String(cString: strerror(-process)))")
        }
    }

    /// Ends the server, which tidies up, and removes what one that has failed may have left.
    deinit {
        guard process > 0 else { return }
        close(lifeline)
        _ = cbr_wait(process)
        guard let directory else { return }
        unlink("\(directory)/echo")
        rmdir(directory)
    }
}
