"""Machines on one local network, played by network namespaces of this one. Root alone may lay their cables."""
import os
import subprocess

import grid as g


class NoMachines(Exception):
    """Why there are no machines here."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NoMachines(f"{' '.join(command[-6:])}: {done.stderr.strip()}")


class Machine:
    """A network namespace that lives as long as a process in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stderr=subprocess.DEVNULL)
        mine = os.stat("/proc/self/ns/net").st_ino

        def is_apart():
            if self.holder.poll() is not None:
                raise NoMachines("no network namespaces here")
            return os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino != mine
        g.wait_until("a namespace", is_apart, 5)
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def set_up(self, device, address):
        for command in ("ip link set lo up", f"ip addr add {address}/24 dev {device}", f"ip link set {device} up multicast on",
                        f"ip route add default dev {device}"):
            run(*self.prefix, *command.split())

    def end(self):
        self.holder.kill()
        self.holder.wait()


def local_network(*addresses):
    """A machine for each address, all at one switch, which is a machine of its own and comes last. For end_all(); or NoMachines."""
    machines = []
    if os.geteuid() != 0:
        raise NoMachines("not root")
    try:
        switch = Machine()
        machines.append(switch)
        run(*switch.prefix, *"ip link add switch type bridge".split())
        run(*switch.prefix, *"ip link set switch up".split())
        for i, address in enumerate(addresses):
            machines.insert(i, Machine())
            run(*switch.prefix, *f"ip link add port{i} type veth peer name cable netns {machines[i].holder.pid}".split())
            run(*switch.prefix, *f"ip link set port{i} master switch up".split())
            machines[i].set_up("cable", address)
    except (NoMachines, g.Timeout, OSError) as e:
        end_all(machines)
        raise NoMachines(f"no cables between namespaces: {e}") from None
    return machines


def end_all(machines):
    for machine in machines:
        machine.end()
