"""The output of the commands of Slurm 22.05.8 on a cluster of one node with four GPUs."""

PING = "Slurmctld(primary) at node1 is UP\n"
PING_DOWN = """Slurmctld(primary) at node1 is DOWN
*****************************************
** RESTORE SLURMCTLD DAEMON TO SERVICE **
*****************************************
"""
VERSION = "slurm-wlm 22.05.8\n"
CONFIG = """Configuration data as of 2026-11-21T11:50:48
AccountingStorageEnforce = none
AccountingStorageTRES   = cpu,mem,energy,node,billing,fs/disk,vmem,pages
AccountingStorageType   = accounting_storage/none
EnforcePartLimits       = NO
GresTypes               = gpu
JobRequeue              = 1
MinJobAge               = 300 sec
PreemptMode             = REQUEUE
PreemptType             = preempt/partition_prio
PreemptExemptTime       = 00:00:00
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
SLURM_CONF              = /etc/slurm/slurm.conf
SLURM_VERSION           = 22.05.8

Slurmctld(primary) at node1 is UP
"""
SINFO = """gpu*|up|1-00:00:00|gpu:4
urgent|up|infinite|gpu:4
short|up|1:30:00|gpu:4
"""
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL "
    "Default=YES QoS=N/A DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 "
    "Hidden=NO MaxNodes=UNLIMITED MaxTime=1-00:00:00 MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED "
    "Nodes=node1 PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO "
    "OverTimeLimit=NONE PreemptMode={mode} State=UP TotalCPUs=8 TotalNodes=1 "
    "SelectTypeParameters=NONE JobDefaults=(null) DefMemPerNode=UNLIMITED "
    "MaxMemPerNode=UNLIMITED TRES=cpu=8,mem=16000M,node=1,billing=8\n"
)
PARTITIONS = PARTITION.format(name="gpu", mode="REQUEUE") + PARTITION.format(
    name="urgent", mode="OFF"
)
ACCEPTED = (
    "sbatch: Job 1 to start at 2026-11-21T11:50:48 using 1 processors on nodes node1 in "
    "partition gpu\n"
)
NO_GPUS = "sbatch: error: Requested GRES option unsupported by configured SelectType plugin\n"
TOO_MANY = "allocation failure: Requested node configuration is not available\n"
NO_PARTITION = (
    "sbatch: error: invalid partition specified: nope\n"
    "allocation failure: Invalid partition name specified\n"
)
DOWN = "allocation failure: Unable to contact slurm controller (connect failure)\n"
NO_CONFIG = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n"
NO_ACCOUNTING = "Slurm accounting storage is disabled\n"
JOB = (
    "JobId={job} JobName=wrap UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 "
    "Nice=0 Account=(null) QOS=(null) JobState={state} Reason={reason} Dependency=(null) Requeue=0 "
    "Restarts=0 BatchFlag=1 Reboot=0 ExitCode={code} RunTime={time} TimeLimit=365-00:00:00 "
    "TimeMin=N/A Partition=gpu NodeList=node1 BatchHost=node1 NumNodes=1 NumCPUs=1 NumTasks=1 "
    "Features=(null) Command=(null) WorkDir=/home/user StdErr=/home/user/A.log StdIn=/dev/null "
    "StdOut=/home/user/A.log Power= TresPerJob=gres:gpu:1 \n"
)
JOB_KILLED = JOB.format(
    job=1, state="FAILED", reason="JobLaunchFailure", code="0:9", time="00:00:00"
)
JOB_CANCELLED = JOB.format(job=2, state="CANCELLED", reason="None", code="0:15", time="00:00:03")
JOB_RUNNING = JOB.format(job=2, state="RUNNING", reason="None", code="0:0", time="00:00:03")
JOB_PENDING = JOB.format(job=2, state="PENDING", reason="BeginTime", code="0:0", time="00:00:00")
NO_JOB = "slurm_load_jobs error: Invalid job id specified\n"
CANCELLED = "slurmstepd-node1: error: *** JOB 2 ON node1 CANCELLED AT 2026-11-28T19:49:30 ***\n"
